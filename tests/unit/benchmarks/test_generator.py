"""The load generator against the floor, tiny: so that neither can rot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.contenders import Place, floor
from benchmarks.generator import Fleet, LoadError, percentiles_ms
from benchmarks.messages import Messages
from benchmarks.processes import cores
from benchmarks.report import Results
from benchmarks.sockets import Load, measure

AGENTS = 30


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where a contender runs."""
    return Place(cores()[0], tmp_path)


@pytest.fixture
def fleet(place: Place) -> Iterator[Fleet]:
    """A fleet beside a running floor, not connected yet."""
    with floor(place) as running:
        made = Fleet(running.port, AGENTS, Messages(AGENTS))
        yield made
        made.close()


def test_closed_loop_counts_one_answer_per_message(fleet: Fleet) -> None:
    """Exactly as many latencies as messages were asked for, none of them zero."""
    assert fleet.connect(at_once=8).count == AGENTS

    statuses = fleet.closed_loop(fleet.status_frame, outstanding=8, total=100)
    beats = fleet.closed_loop(fleet.heartbeat_frame, outstanding=8, total=100)

    assert statuses.count == beats.count == 100
    assert min(statuses.latencies_ns) > 0
    assert set(beats.percentiles_ms()) == {"p50_ms", "p99_ms", "p999_ms", "max_ms"}


def test_open_loop_sends_at_its_rate(fleet: Fleet) -> None:
    """Every message that was due is answered or counted as late."""
    fleet.connect(at_once=8)

    sample = fleet.open_loop(fleet.heartbeat_frame, rate=500, seconds=0.2)

    assert sample.count == 100


def test_storm_counts_agents_not_messages(fleet: Fleet) -> None:
    """Connect, first status, answer: one latency each."""
    assert fleet.connect(at_once=30, then_status=True).count == AGENTS


def test_a_server_that_is_gone_is_an_error() -> None:
    """A measure never passes over a refused connection."""
    fleet = Fleet(1, 1, Messages(1))

    with pytest.raises(LoadError):
        fleet.connect()

    fleet.close()


def test_percentiles_of_nothing_are_nothing() -> None:
    """No answer, no number."""
    assert percentiles_ms([]) == {}


def test_all_socket_figures_are_taken(place: Place) -> None:
    """The whole harness at toy size fills every socket figure."""
    results = Results({}, {}, "now")
    load = Load(
        agents=AGENTS, heartbeat_seconds=0.1, open_rate=500, open_seconds=0.1, status_seconds=0.1, storm_at_once=10
    )

    measure(results, [floor], place=place, load=load, rounds=1, say=lambda _line: None)

    assert {name.split(".")[0] for name in results.rounds} == {"connect", "memory", "heartbeat", "status", "storm"}
