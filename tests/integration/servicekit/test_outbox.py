from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import asyncpg
import pytest
from nats.errors import Error as NatsError

from devstack.nats import NatsServer
from servicekit.bus import Bus
from servicekit.errors import Unavailable
from servicekit.migrate import migrate
from servicekit.outbox import OutboxEvent, OutboxRelay, add
from servicekit.postgres import connect_pool
from world.postgres import Database

Eventually = Callable[..., Awaitable[object]]


class Spec:
    """A stream as contracts.streams would declare it."""

    name = "EVENTS"
    subjects = ("events.>",)
    max_age = timedelta(hours=1)
    max_bytes = 10_000_000
    duplicate_window = timedelta(minutes=2)


@pytest.fixture
async def pool(postgres: Database) -> AsyncIterator[asyncpg.Pool]:
    """Give a database with the kit's tables."""
    url = postgres.url_for("agent-state")
    await migrate(url, "servicekit")
    pool = await connect_pool(url, service="test")
    yield pool
    pool.terminate()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a connection of this test's own."""
    bus = await Bus.connect(nats_url, name="test")
    yield bus
    await bus.close()


@contextlib.asynccontextmanager
async def relaying(pool: asyncpg.Pool, bus: Bus) -> AsyncIterator[None]:
    """Run a relay for a while."""
    task = asyncio.ensure_future(OutboxRelay(pool, bus, Spec()).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def write(pool: asyncpg.Pool, *names: str) -> None:
    """Say something after commit."""
    async with pool.acquire() as connection, connection.transaction():
        await add(connection, [OutboxEvent(f"events.{name}", name.encode(), f"id-{name}") for name in names])


async def in_stream(bus: Bus) -> list[str]:
    """List what the stream holds, oldest first."""
    state = await bus.ensure_stream(Spec())
    found = []
    for seq in range(1, state.last_seq + 1):
        message = await bus.js.get_msg(Spec.name, seq)
        found.append((message.data or b"").decode())
    return found


async def test_events_are_said_once_in_order(pool: asyncpg.Pool, bus: Bus, eventually: Eventually) -> None:
    """Committed events reach the stream in the order they were written; writing the same id again adds nothing."""
    await write(pool, "a", "b")
    async with relaying(pool, bus):
        await eventually(lambda: _holds(bus, ["a", "b"]))
        await write(pool, "b", "c")
        await eventually(lambda: _holds(bus, ["a", "b", "c"]))


async def test_a_rolled_back_event_is_never_said(pool: asyncpg.Pool, bus: Bus, eventually: Eventually) -> None:
    """An event whose transaction fails leaves no trace."""

    async def write_and_fail() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await add(connection, [OutboxEvent("events.no", b"no", "id-no")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write_and_fail()
    await write(pool, "yes")
    async with relaying(pool, bus):
        await eventually(lambda: _holds(bus, ["yes"]))


async def test_an_emptied_stream_is_filled_again(
    pool: asyncpg.Pool, bus: Bus, nats_server: NatsServer, eventually: Eventually
) -> None:
    """When NATS comes back empty, what had been published is published again."""
    async with relaying(pool, bus):
        await write(pool, "a", "b")
        await eventually(lambda: _published(pool, 2))
        nats_server.kill()
        nats_server.wipe()
        await eventually(lambda: not bus.connected)
        nats_server.start()
        await eventually(lambda: bus.connected)
        await write(pool, "c")
        await eventually(lambda: _holds(bus, ["a", "b", "c"]))


async def test_every_term_of_leadership_listens_to_the_same_bus_once(
    pool: asyncpg.Pool, bus: Bus, eventually: Eventually
) -> None:
    """A relay that is run again and again leaves no callbacks behind."""
    relay = OutboxRelay(pool, bus, Spec())
    for index, name in enumerate("ab", start=1):
        await write(pool, name)
        task = asyncio.ensure_future(relay.run())
        await eventually(functools.partial(_published, pool, index))
        while not task.done():  # the client library may swallow a cancellation
            task.cancel()
            await asyncio.wait((task,), timeout=1)

    assert len(bus._on_reconnect) == 1


async def test_events_wait_while_the_bus_is_away(
    pool: asyncpg.Pool, bus: Bus, nats_server: NatsServer, eventually: Eventually
) -> None:
    """Events written during an outage are said after it."""
    async with relaying(pool, bus):
        await write(pool, "a")
        await eventually(lambda: _published(pool, 1))
        nats_server.kill()
        await eventually(lambda: not bus.connected)
        await write(pool, "b")
        nats_server.start()
        await eventually(lambda: _published(pool, 2))
    assert await in_stream(bus) == ["a", "b"]


async def _holds(bus: Bus, names: list[str]) -> bool:
    try:
        assert await in_stream(bus) == names
    except (Unavailable, NatsError, TimeoutError):  # the bus is not quite back
        return False
    return True


async def _published(pool: asyncpg.Pool, count: int) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NOT NULL") == count)
