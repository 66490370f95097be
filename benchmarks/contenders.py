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
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import FLOOR, GATEWAY, GATEWAY_COMPILED, PEER, SOCKETS, SOCKETS_COMPILED
from benchmarks.processes import Program, free_port
from devstack.nats import NatsServer
from devstack.redis import RedisServer

SUBJECT = "bench.offer"
UNHURRIED = {
    "OPAMP_GATEWAY_CONNECTS_PER_SECOND": "1000000",
    "OPAMP_GATEWAY_CONNECT_BURST": "1000000",
    "OPAMP_GATEWAY_MESSAGES_PER_SECOND": "1000000",
    "OPAMP_GATEWAY_MESSAGE_BURST": "1000000000",
}
"""Lifts the limits a benchmark means to exceed: one agent of the generator speaks for hundreds."""


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


@contextmanager
def sockets_only(place: Place) -> Iterator[Running]:
    """Our gateway with nothing behind it."""
    with _host(place, "benchmarks.gateway_host") as program:
        yield Running(SOCKETS, program)


@contextmanager
def compiled_sockets_only(place: Place) -> Iterator[Running]:
    """The same, compiled."""
    with _host(place, "benchmarks.compiled_host") as program:
        yield Running(SOCKETS_COMPILED, program)


def _host(place: Place, module: str) -> Program:
    port = free_port()
    command = [sys.executable, "-m", module, str(port)]
    return Program(command, port=port, core=place.core, log=place.folder / f"{module}.log")


@contextmanager
def gateway(place: Place) -> Iterator[Running]:
    """Our gateway process as it is, with Redis and NATS of its own or with the NATS of *place*."""
    with _process(place, "off") as program:
        yield Running(GATEWAY, program)


@contextmanager
def compiled_gateway(place: Place) -> Iterator[Running]:
    """The same, compiled."""
    with _process(place, "required") as program:
        yield Running(GATEWAY_COMPILED, program)


@contextmanager
def _process(place: Place, compiled: str) -> Iterator[Program]:
    with ExitStack() as stack:
        nats_url = place.nats_url
        if not nats_url:
            nats = NatsServer(place.folder / "gateway-nats", free_port(), free_port())
            nats.wipe()
            nats.start()
            stack.callback(nats.stop)
            nats_url = nats.url
        redis = RedisServer(place.folder / "gateway-redis", free_port())
        redis.start()
        stack.callback(redis.stop)
        desk_port, port = free_port(), free_port()
        desk = [sys.executable, "-m", "benchmarks.epoch_desk", str(desk_port), nats_url]
        stack.enter_context(Program(desk, port=desk_port, log=place.folder / "epoch-desk.log"))
        env = UNHURRIED | {
            "OPAMP_GATEWAY_NATS_URL": nats_url,
            "OPAMP_GATEWAY_REDIS_URL": redis.url,
            "OPAMP_GATEWAY_COMPILED": compiled,
            "OPAMP_GATEWAY_PORT": str(port),
            "OPAMP_GATEWAY_AUTHENTICATION": "open",
            "OPAMP_GATEWAY_OPS_PORT": "0",
            "OPAMP_GATEWAY_LOG_LEVEL": "warning",
            "OPAMP_GATEWAY_DRAIN_GRACE_SECONDS": "1",
        }
        command = [sys.executable, "-m", "opamp_gateway", "serve"]
        log = place.folder / "gateway.log"
        program = stack.enter_context(Program(command, port=port, core=place.core, env=env, log=log))
        yield program
