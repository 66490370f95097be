"""
A gateway on its own: no NATS, no Redis, no agent-state. For benchmarks of the door and for tests.

Facts go nowhere, or wherever the caller's sink puts them; epochs come from a counter; nobody offers anything.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from opamp_gateway.identity_desk import IdentityDesk
    from opamp_gateway.publisher import FactSink
    from opamp_gateway.registry import Book
    from servicekit.clock import Clock


class Nowhere:
    """A sink that takes every batch and keeps none."""

    async def publish(self, partition: int, payload: bytes) -> None:
        """Forget the batch."""


def gateway_alone(
    *,
    limits: Limits | None = None,
    rules: Rules | None = None,
    sink: FactSink | None = None,
    registry: Book | None = None,
    tokens: IdentityDesk | None = None,
    clock: Clock | None = None,
    connects_per_second: float = 1_000_000.0,
    max_connections: int = 1_000_000,
) -> Gateway:
    """Put a gateway together; its background work starts with run_alone()."""
    rules = rules or Rules("alone")
    clock = clock or SystemClock()
    registry = registry or NoRegistry()
    numbers = itertools.count(1)

    async def allocate(count: int) -> int:
        return next(itertools.islice(numbers, count - 1, None)) - count + 1

    async def say(_: bytes) -> None: ...

    async def fetch(_: bytes) -> bytes | None:
        return None

    async def rival(*_: object) -> bool:
        return False

    publisher = Publisher(sink or Nowhere(), rules.gateway_id, clock, on_stored=registry.learn)
    gateway = Gateway(
        rules=rules,
        limits=limits or Limits(),
        clock=clock,
        registry=registry,
        publisher=publisher,
        epochs=EpochDesk(
            allocate,
            clock,
            on_epoch=lambda session: gateway.numbered(session),  # noqa: PLW0108 - made in this statement
            on_late=publisher.discard,
        ),
        presence=Presence(say, rules.gateway_id, clock),
        content=ContentShelf(fetch, max_bytes=16 * 1024 * 1024),
        admission=Admission(
            connects_per_second=connects_per_second,
            connect_burst=2 * connects_per_second,
            max_connections=max_connections,
            retry_after_seconds=30,
            remembered=1_000,
            now=clock.monotonic(),
        ),
        tokens=tokens,
        rival=rival,
        chance=random.random,
        fresh_uid=uuid7,
    )
    return gateway


async def run_alone(gateway: Gateway, *, partitions: int = 16, beat_seconds: float = 3.0) -> None:
    """Run a gateway's background work until cancelled."""

    async def beat() -> None:
        while True:
            await gateway.presence.beat(len(gateway.connections))
            await gateway.clock.sleep(beat_seconds)

    async with asyncio.TaskGroup() as group:
        for partition in range(partitions):
            _ = group.create_task(gateway.publisher.run(partition))
        _ = group.create_task(gateway.epochs.run())
        _ = group.create_task(Sweeper(gateway).run())
        _ = group.create_task(beat())
