from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import asyncpg
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from devstack.nats import NatsServer
from servicekit.bus import Bus
from servicekit.consume import PartitionConsumer
from servicekit.errors import Invalid, Unavailable
from servicekit.migrate import migrate
from servicekit.postgres import Connection, connect_pool
from world.postgres import Database

Eventually = Callable[..., Awaitable[object]]

PARTITIONS = 4


class Spec:
    """A stream as contracts.streams would declare it."""

    name = "NOTES"
    subjects = ("notes.*",)
    max_age = timedelta(hours=1)
    max_bytes = 10_000_000
    duplicate_window = timedelta(minutes=2)


def subject_of(partition: int) -> str:
    """Tell the subject of a partition."""
    return f"notes.{partition}"


@pytest.fixture
async def pool(postgres: Database) -> AsyncIterator[asyncpg.Pool]:
    """Give a database with the kit's tables and one table for effects."""
    url = postgres.url_for("agent-state")
    await migrate(url, "servicekit")
    pool = await connect_pool(url, service="test")
    await pool.execute("CREATE TABLE note (id bigint GENERATED ALWAYS AS IDENTITY, text text NOT NULL)")
    yield pool
    pool.terminate()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a connection of this test's own."""
    bus = await Bus.connect(nats_url, name="test")
    await bus.ensure_stream(Spec())
    yield bus
    await bus.close()


async def keep(connection: Connection, batch: Sequence[StringValue]) -> None:
    """Write notes down; 'bad' can never be written, 'bug' fails in another way."""
    for note in batch:
        if note.value == "bad":
            raise Invalid("a bad note")
        if note.value == "bug":
            raise KeyError(note.value)
        if note.value == "nul":
            raise Invalid("a note with \x00 and \ud800")
        await connection.execute("INSERT INTO note (text) VALUES ($1)", note.value)


async def kept(pool: asyncpg.Pool) -> list[str]:
    """List the notes in the order they were written."""
    return [row["text"] for row in await pool.fetch("SELECT text FROM note ORDER BY id")]


@contextlib.asynccontextmanager
async def consuming(bus: Bus, pool: asyncpg.Pool) -> AsyncIterator[None]:
    """Run a consumer for a while."""
    consumer = PartitionConsumer(
        bus,
        pool,
        stream=Spec(),
        durable="notes",
        subject_of=subject_of,
        partitions=PARTITIONS,
        payload_type=StringValue,
        apply=keep,
    )
    task = asyncio.ensure_future(consumer.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def say(bus: Bus, *texts: str, partition: int = 0) -> None:
    """Publish notes one after another."""
    for text in texts:
        await bus.js.publish(subject_of(partition), StringValue(value=text).SerializeToString(), timeout=30)


async def test_notes_are_applied_in_order(bus: Bus, pool: asyncpg.Pool, eventually: Eventually) -> None:
    """What was said before and after the start is applied, in the order it was said."""
    await say(bus, "1", "2", "3")
    async with consuming(bus, pool):
        await eventually(lambda: _has(pool, ["1", "2", "3"]))
        await say(bus, "4")
        await eventually(lambda: _has(pool, ["1", "2", "3", "4"]))


async def test_a_second_life_goes_on_where_the_first_ended(
    bus: Bus, pool: asyncpg.Pool, eventually: Eventually
) -> None:
    """A consumer that is started again applies nothing twice."""
    await say(bus, "1", "2")
    async with consuming(bus, pool):
        await eventually(lambda: _has(pool, ["1", "2"]))
    await say(bus, "3")
    async with consuming(bus, pool):
        await eventually(lambda: _has(pool, ["1", "2", "3"]))


async def test_two_replicas_apply_each_note_once(bus: Bus, pool: asyncpg.Pool, eventually: Eventually) -> None:
    """Replicas share the partitions; together they apply everything exactly once, in order per partition."""
    async with consuming(bus, pool), consuming(bus, pool):
        for number in range(20):
            await say(bus, f"{number}", partition=number % PARTITIONS)

        async def complete() -> bool:
            return sorted(await kept(pool), key=int) == [str(number) for number in range(20)]

        await eventually(complete)


async def test_a_note_that_can_never_be_applied_is_put_aside(
    bus: Bus, pool: asyncpg.Pool, eventually: Eventually
) -> None:
    """An invalid message and one that is no message go to the dead letters, and the rest flows on."""
    await say(bus, "1", "bad")
    await bus.js.publish(subject_of(0), b"\xff\xff")
    await say(bus, "2")
    async with consuming(bus, pool):
        await eventually(lambda: _has(pool, ["1", "2"]))
    rows = await pool.fetch("SELECT stream_seq, error FROM dead_letter ORDER BY id")

    assert [(row["stream_seq"], row["error"]) for row in rows] == [
        (2, "a bad note"),
        (3, "not a google.protobuf.StringValue"),
    ]


async def test_a_reason_no_database_takes_is_made_to_fit(bus: Bus, pool: asyncpg.Pool, eventually: Eventually) -> None:
    """What is wrong with a message may hold anything; it is put aside all the same."""
    await say(bus, "nul", "2")
    async with consuming(bus, pool):
        await eventually(lambda: _has(pool, ["2"]))

    assert await pool.fetchval("SELECT error FROM dead_letter") == "a note with \N{REPLACEMENT CHARACTER} and ?"


async def test_a_lost_stream_is_read_afresh(
    bus: Bus, pool: asyncpg.Pool, nats_server: NatsServer, eventually: Eventually
) -> None:
    """When NATS comes back empty, the new stream is consumed from its beginning."""
    async with consuming(bus, pool):
        await say(bus, "1", "2", "3")
        await eventually(lambda: _has(pool, ["1", "2", "3"]))
        nats_server.kill()
        await eventually(lambda: not bus.connected)
        nats_server.wipe()
        nats_server.start()
        await eventually(lambda: bus.connected)
        await eventually(lambda: made_again(bus))
        await say(bus, "4")
        await eventually(lambda: _has(pool, ["1", "2", "3", "4"]))


async def made_again(bus: Bus) -> bool:
    """Make the stream, once JetStream is back as well."""
    try:
        await bus.ensure_stream(Spec())
    except Unavailable:
        return False
    return True


async def test_a_stream_restored_from_older_data_is_read_from_its_beginning(
    bus: Bus, pool: asyncpg.Pool, eventually: Eventually
) -> None:
    """A stream that ends before the stored position is another one: what it says next is not skipped."""
    await say(bus, "1", "2")
    async with consuming(bus, pool):
        await eventually(lambda: _has(pool, ["1", "2"]))
    await pool.execute("UPDATE consumer_offset SET seq = 50 WHERE partition = 0")

    async with consuming(bus, pool):
        await eventually(lambda: _has(pool, ["1", "2", "1", "2"]))
        await say(bus, "3")
        await eventually(lambda: _has(pool, ["1", "2", "1", "2", "3"]))

    assert await pool.fetchval("SELECT seq FROM consumer_offset WHERE partition = 0") == 3


async def test_a_restarted_server_is_followed(
    bus: Bus, pool: asyncpg.Pool, nats_server: NatsServer, eventually: Eventually
) -> None:
    """A killed and restarted NATS costs nothing but time."""
    async with consuming(bus, pool):
        await say(bus, "1")
        await eventually(lambda: _has(pool, ["1"]))
        nats_server.kill()
        await eventually(lambda: not bus.connected)
        nats_server.start()
        await eventually(lambda: bus.connected)
        await say(bus, "2")
        await eventually(lambda: _has(pool, ["1", "2"]))


async def _has(pool: asyncpg.Pool, texts: list[str]) -> bool:
    found = await kept(pool)
    assert found == texts
    return True
