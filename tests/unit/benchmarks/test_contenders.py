"""Our own gateway under the load generator, in both modes, at toy size."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contenders import Contender, Place, gateway, peer, sockets_only
from benchmarks.processes import cores
from benchmarks.report import Results
from benchmarks.sockets import Load, measure

TOY = Load(agents=40, heartbeat_seconds=0.1, open_rate=500, open_seconds=0.1, status_seconds=0.1, storm_at_once=10)


@pytest.mark.parametrize("contender", [sockets_only, gateway])
def test_gateway_fills_every_figure(contender: Contender, tmp_path: Path) -> None:
    """Every message is answered, thousands from one agent included: no limit stands in the way."""
    results = Results({}, {}, "now")

    measure(results, [contender], place=Place(cores()[0], tmp_path), load=TOY, rounds=1, say=lambda _line: None)

    assert not results.not_run
    assert {name.split(".")[0] for name in results.rounds} == {"connect", "memory", "heartbeat", "status", "storm"}


def test_a_peer_that_does_not_start_is_reported(tmp_path: Path) -> None:
    """The run goes on without it, and says so."""
    results = Results({}, {}, "now")

    measure(
        results, [peer("/bin/false")], place=Place(cores()[0], tmp_path), load=TOY, rounds=1, say=lambda _line: None
    )

    assert not results.rounds
    assert next(iter(results.not_run.values())).startswith("failed")
