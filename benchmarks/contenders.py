"""
Who is measured on sockets, and how each is started.

A peer is any program that keeps this contract: `PEER -listen HOST:PORT` serves OpAMP over WebSocket at
/v1/opamp without authentication and answers every message; `-nats URL -subject NAME` makes it send the
serialised AgentRemoteConfig in each NATS message of that subject to every connected agent, each with
its own instance_uid; `-version` prints one line saying what it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import FLOOR, PEER
from benchmarks.processes import Program, free_port

SUBJECT = "bench.offer"


@dataclass(frozen=True)
class Running:
    """A contender that accepts agents."""

    name: str
    program: Program

    @property
    def port(self) -> int:
        """Where agents connect, on 127.0.0.1."""
        return self.program.port


@dataclass(frozen=True)
class Place:
    """What a contender is given to run in."""

    core: int | None
    """Where all its threads may run; None = anywhere."""

    folder: Path
    """For logs and stores."""

    nats_url: str = ""
    """Where offers come from; empty = no fan-out."""


Contender = Callable[[Place], AbstractContextManager[Running]]


@contextmanager
def floor(place: Place) -> Iterator[Running]:
    """The same socket layer without logic."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.floor", str(port)]
    if place.nats_url:
        command += [place.nats_url, SUBJECT]
    with Program(command, port=port, core=place.core, log=place.folder / "floor.log") as program:
        yield Running(FLOOR, program)


def peer(path: str) -> Contender:
    """Make the contender that runs the peer's binary at *path*."""

    @contextmanager
    def start(place: Place) -> Iterator[Running]:
        port = free_port()
        command = [path, "-listen", f"127.0.0.1:{port}"]
        if place.nats_url:
            command += ["-nats", place.nats_url, "-subject", SUBJECT]
        log = place.folder / "peer.log"
        with Program(command, port=port, core=place.core, env={"GOMAXPROCS": "1"}, log=log) as program:
            yield Running(PEER, program)

    return start
