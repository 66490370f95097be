"""The blocking NATS client and the fan-out of the floor, at toy size on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import fan_out
from benchmarks.contenders import Place, floor
from benchmarks.processes import cores, free_port
from benchmarks.rawnats import RawNats
from benchmarks.report import Results
from devstack.nats import NatsServer


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """A NATS server of this test's own."""
    server = NatsServer(tmp_path / "nats", free_port(), free_port())
    server.start()
    yield server.url
    server.stop()


def test_publishing_reaches_the_server(nats_url: str) -> None:
    """Everything said is taken before flush returns; a protocol error would be raised there."""
    client = RawNats(nats_url)

    client.publish("nobody.listens", b"x")
    client.flush()
    client.close()


def test_fan_out_reaches_every_agent(nats_url: str, tmp_path: Path) -> None:
    """Each turn is counted when the last agent holds the whole offer."""
    results = Results({}, {}, "now")

    fan_out.measure(
        results, [floor], place=Place(cores()[0], tmp_path, nats_url), agents=20, rounds=2, say=lambda _line: None
    )

    assert len(results.rounds["fanout.last_ms"]["floor"]) == 2
