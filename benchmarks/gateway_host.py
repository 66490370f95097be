"""
Our gateway with nothing behind it: door, sessions, publisher and presence are real, facts go nowhere.

Run: python -m benchmarks.gateway_host PORT.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import sys

import uvloop

from contracts import subjects
from opamp_gateway.app import open_door
from opamp_gateway.content import ContentShelf
from opamp_gateway.epochs import EpochDesk
from opamp_gateway.gateway import Gateway
from opamp_gateway.ids import uuid7
from opamp_gateway.limits import Admission, Limits
from opamp_gateway.presence import Presence
from opamp_gateway.publisher import Publisher
from opamp_gateway.registry import NoRegistry
from opamp_gateway.session import Rules
from opamp_gateway.sweeper import Sweeper
from servicekit.clock import SystemClock

GATEWAY_ID = "bench"
PRESENCE_SECONDS = 3.0
UNLIMITED = 1e9


class Nowhere:
    """Takes batches of facts and forgets them."""

    async def publish(self, partition: int, payload: bytes) -> None:
        """Do nothing."""


async def _nobody(_: bytes) -> None:
    return None


async def _no_rival(_gateway: str, _tenant: str, _uid: bytes, _epoch: int) -> bool:
    return False


def make_gateway() -> Gateway:
    """Put a gateway together from its own parts, without any server."""
    clock = SystemClock()
    registry = NoRegistry()
    publisher = Publisher(Nowhere(), GATEWAY_ID, clock, on_stored=registry.learn)
    numbers = itertools.count(1)

    async def allocate(count: int) -> int:
        return next(itertools.islice(numbers, count - 1, None)) - count + 1

    gateway: Gateway

    gateway = Gateway(
        rules=Rules(GATEWAY_ID),
        limits=Limits(messages_per_second=UNLIMITED, message_burst=1_000_000_000),
        clock=clock,
        registry=registry,
        publisher=publisher,
        epochs=EpochDesk(
            allocate,
            clock,
            on_epoch=lambda session: gateway.numbered(session),  # noqa: PLW0108 - made in this statement
            on_late=publisher.discard,
        ),
        presence=Presence(_nobody, GATEWAY_ID, clock),
        content=ContentShelf(_nobody, max_bytes=0),
        admission=Admission(
            connects_per_second=UNLIMITED,
            connect_burst=UNLIMITED,
            max_connections=1_000_000,
            retry_after_seconds=5,
            remembered=1_000,
            now=clock.monotonic(),
        ),
        tokens=None,
        rival=_no_rival,
        chance=random.random,
        fresh_uid=uuid7,
    )
    return gateway


async def main(port: int) -> None:
    """Serve until killed."""
    gateway = make_gateway()
    async with asyncio.TaskGroup() as tasks:
        for partition in range(subjects.DEFAULT_PARTITIONS):
            _ = tasks.create_task(gateway.publisher.run(partition))
        _ = tasks.create_task(gateway.epochs.run())
        _ = tasks.create_task(Sweeper(gateway).run())
        server = await open_door(gateway, "127.0.0.1", port)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 1000)
        while server.is_serving():
            await gateway.presence.beat(len(gateway.connections))
            await asyncio.sleep(PRESENCE_SECONDS)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
