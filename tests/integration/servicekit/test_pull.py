from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from devstack.nats import NatsServer
from servicekit import pull
from servicekit.bus import Bus
from servicekit.errors import Unavailable
from servicekit.pull import Pulled, StreamReader


class Spec:
    """A stream with two subjects."""

    name = "WORDS"
    subjects = ("words.*",)
    max_age = timedelta(hours=1)
    max_bytes = 10_000_000
    duplicate_window = timedelta(minutes=2)


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """Give a connection to a server of this test's own, with the stream in it."""
    bus = await Bus.connect(nats_server.url, name="test")
    await bus.ensure_stream(Spec())
    yield bus
    await bus.close()


async def say(bus: Bus, *words: str, subject: str = "words.a") -> None:
    """Store words, one message each."""
    for word in words:
        await bus.js.publish(subject, word.encode(), timeout=30)


async def read(reader: StreamReader, count: int) -> list[Pulled]:
    """Read until so many messages have come."""
    found: list[Pulled] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found += await reader.next_batch()
    return found


async def test_messages_come_in_order_from_a_position(bus: Bus) -> None:
    """What lies behind the position is read, oldest first, other subjects left out."""
    await say(bus, "one", "two")
    await say(bus, "other", subject="words.b")
    await say(bus, "three")

    async with StreamReader(bus, Spec.name, "words.a", after=1, batch=10) as reader:
        found = await read(reader, 2)

    assert [(item.payload, item.seq) for item in found] == [(b"two", 2), (b"three", 4)]
    assert [item.pending for item in found] == [1, 0]


async def test_a_batch_is_bounded_and_the_rest_follows(bus: Bus) -> None:
    """No batch is larger than asked for, and none waits to be full."""
    await say(bus, *(str(number) for number in range(25)))

    async with StreamReader(bus, Spec.name, "words.a", after=0, batch=10) as reader:
        batches = [await reader.next_batch()]
        while sum(map(len, batches)) < 25:
            batches.append(await reader.next_batch())

    assert max(map(len, batches)) <= 10
    assert [item.payload for batch in batches for item in batch] == [str(number).encode() for number in range(25)]


async def test_a_message_that_comes_later_is_handed_over_at_once(bus: Bus) -> None:
    """A request stays open: a lone message does not wait for company."""
    async with StreamReader(bus, Spec.name, "words.a", after=0, batch=10) as reader:
        reading = asyncio.ensure_future(reader.next_batch())
        await say(bus, "late")
        async with asyncio.timeout(60):
            found = await reading

    assert [item.payload for item in found] == [b"late"]


async def test_silence_is_an_empty_batch(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing comes the caller hears so, and may look after other things."""
    monkeypatch.setattr(pull, "EXPIRES_SECONDS", 0.3)

    async with StreamReader(bus, Spec.name, "words.a", after=0, batch=10) as reader:
        assert await reader.next_batch() == []
        await say(bus, "still here")
        found = await read(reader, 1)

    assert [item.payload for item in found] == [b"still here"]


async def test_a_vanished_consumer_ends_the_reader(bus: Bus) -> None:
    """Whatever took the consumer away, the reader says so instead of waiting for ever."""
    async with StreamReader(bus, Spec.name, "words.a", after=0, batch=10) as reader:
        reading = asyncio.ensure_future(reader.next_batch())
        consumers = await bus.js.consumers_info(Spec.name)
        await bus.js.delete_consumer(Spec.name, consumers[0].name)

        with pytest.raises(Unavailable):
            async with asyncio.timeout(60):
                await reading


async def test_a_reconnect_ends_the_reader(bus: Bus, nats_server: NatsServer) -> None:
    """After the server was away nobody knows what was missed: the caller begins again from its position."""
    await say(bus, "kept")
    async with StreamReader(bus, Spec.name, "words.a", after=1, batch=10) as reader:
        reading = asyncio.ensure_future(reader.next_batch())
        nats_server.kill()
        nats_server.start()

        with pytest.raises(Unavailable):
            async with asyncio.timeout(60):
                await reading


async def test_a_stream_that_is_not_there_is_unavailable(bus: Bus) -> None:
    """A reader of nothing is refused when it begins."""
    with pytest.raises(Unavailable):
        async with StreamReader(bus, "NOWHERE", "words.a", after=0, batch=10):
            pass


async def test_a_reader_must_be_entered(bus: Bus) -> None:
    """Reading before entering is a mistake of ours, told as one."""
    with pytest.raises(RuntimeError, match="enter"):
        await StreamReader(bus, Spec.name, "words.a", after=0, batch=1).next_batch()
