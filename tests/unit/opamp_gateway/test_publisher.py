"""Facts reach the bus in order, in batches, and survive its absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gatewaylab.fakes import RULES, FakeSink
from gatewaylab.speech import UID

from contracts.subjects import partition_of
from opamp_gateway import facts
from opamp_gateway.facts import Fact
from opamp_gateway.publisher import Publisher
from opamp_gateway.session import WEBSOCKET, Session
from servicekit.clock import FakeClock
from servicekit.metrics import REGISTRY

PARTITIONS = 4


def session(uid: bytes = UID, epoch: int = 1) -> Session:
    """Make a session; epoch 0 = it waits for one."""
    made = Session(RULES, "default", uid, WEBSOCKET)
    made.epoch = epoch
    return made


def health(of: Session, text: bytes = b"") -> Fact:
    """Make a fact; *text* is its body."""
    return Fact(of, facts.HEALTH_REPORTED, facts.disconnected(text.decode()), 1)


def dropped() -> float:
    """Tell how many health facts were dropped so far."""
    return REGISTRY.get_sample_value("opamp_gateway_facts_dropped_total", {"kind": "health_reported"}) or 0.0


class Lab:
    """A publisher with a sink that can be away."""

    def __init__(self, **more: int) -> None:
        self.clock = FakeClock()
        self.sink = FakeSink()
        self.stored: list[Fact] = []
        self.publisher = Publisher(
            self.sink, "gw", self.clock, partitions=PARTITIONS, on_stored=self.stored.extend, **more
        )


@asynccontextmanager
async def running(**more: int) -> AsyncIterator[Lab]:
    """Run every partition."""
    lab = Lab(**more)
    tasks = [asyncio.ensure_future(lab.publisher.run(number)) for number in range(PARTITIONS)]
    try:
        await lab.clock.advance(1)
        yield lab
    finally:
        for task in tasks:
            task.cancel()


async def test_lone_fact_leaves_at_once() -> None:
    """No waiting for company; the registry learns of it once it is stored."""
    async with running() as lab:
        fact = health(session())
        lab.publisher.add([fact])
        await lab.clock.advance(0)

        partition, batch = lab.sink.batches[0]
        assert partition == partition_of(UID, PARTITIONS)
        assert (batch.gateway_id, len(batch.facts)) == ("gw", 1)
        assert lab.stored == [fact]
        assert (lab.publisher.waiting, lab.publisher.waiting_bytes) == (0, 0)


async def test_burst_becomes_batches_in_order() -> None:
    """At most so many facts a message, the oldest first."""
    async with running(max_batch=10) as lab:
        speaker = session()
        lab.publisher.add([health(speaker) for _ in range(25)])
        await lab.clock.advance(1)

        assert [len(batch.facts) for _, batch in lab.sink.batches] == [10, 10, 5]
        assert [fact.sequence for fact in lab.sink.facts] == list(range(1, 26))


async def test_batch_is_bounded_in_bytes() -> None:
    """A batch fits in one bus message, however large its facts."""
    async with running(max_batch_bytes=1000) as lab:
        speaker = session()
        lab.publisher.add([health(speaker, b"x" * 600) for _ in range(3)])
        await lab.clock.advance(1)

        assert [len(batch.facts) for _, batch in lab.sink.batches] == [1, 1, 1]


async def test_fact_the_bus_never_takes_stops_nobody() -> None:
    """It is dropped and counted; those around it leave in order."""
    async with running() as lab:
        lab.sink.max_payload = 1000
        before = dropped()
        speaker = session()
        lab.publisher.add([health(speaker), health(speaker, b"x" * 2000), health(speaker)])
        await lab.clock.advance(1)
        lab.publisher.add([health(speaker), health(speaker)])
        await lab.clock.advance(1)

        assert [fact.sequence for fact in lab.sink.facts] == [1, 3, 4, 5]
        assert (lab.publisher.waiting, lab.publisher.waiting_bytes) == (0, 0)
        assert dropped() == before + 1
        assert await lab.publisher.drain(1)


async def test_facts_wait_for_their_epoch() -> None:
    """Nothing leaves without a fence; then everything does, in order."""
    async with running() as lab:
        speaker = session(epoch=0)
        lab.publisher.add([health(speaker), health(speaker)])
        await lab.clock.advance(1)
        assert (lab.sink.batches, lab.publisher.waiting) == ([], 2)

        speaker.epoch = 7
        lab.publisher.release(speaker)
        await lab.clock.advance(1)

        assert [(fact.epoch, fact.sequence) for fact in lab.sink.facts] == [(7, 1), (7, 2)]


async def test_session_that_never_got_an_epoch_leaves_nothing() -> None:
    """Its facts are forgotten and counted out."""
    lab = Lab()
    speaker = session(epoch=0)
    lab.publisher.add([health(speaker)])

    lab.publisher.discard(speaker)

    assert (lab.publisher.waiting, lab.publisher.waiting_bytes, lab.publisher.pending()) == (0, 0, [])


async def test_held_facts_are_the_newest_of_each_kind() -> None:
    """An agent that talks on while agent-state is away does not fill the memory."""
    lab = Lab()
    speaker = session(epoch=0)
    lab.publisher.add([Fact(speaker, facts.CONNECTED, b"", 1)])
    for _ in range(100):
        lab.publisher.add([health(speaker)])

    assert speaker.held is not None
    assert len(speaker.held) <= 33
    assert speaker.held[0].kind == facts.CONNECTED
    assert speaker.held[-1].sequence == 101
    assert lab.publisher.waiting == len(speaker.held)


async def test_nothing_is_lost_or_overtaken_while_the_bus_is_away() -> None:
    """A batch that failed is said again before anything newer."""
    async with running() as lab:
        lab.sink.away = True
        speaker = session()
        lab.publisher.add([health(speaker)])
        await lab.clock.advance(3)
        lab.publisher.add([health(speaker)])
        await lab.clock.advance(3)
        assert lab.publisher.waiting == 2

        lab.sink.away = False
        await lab.clock.advance(3)

        assert [fact.sequence for fact in lab.sink.facts] == [1, 2]
        assert lab.publisher.waiting == 0


async def test_spool_keeps_the_newest_of_each_agent_and_kind() -> None:
    """An outage costs memory for the fleet, not for its chatter; variants do not replace each other."""
    async with running() as lab:
        lab.sink.away = True
        one, two = session(), session(UID[:15] + b"\xff")
        lab.publisher.add(
            [Fact(one, facts.DESCRIBED, b"", 1, variant=1), Fact(one, facts.DESCRIBED, b"", 1, variant=2)]
        )
        await lab.clock.advance(3)
        for _ in range(500):
            lab.publisher.add([health(one), health(two)])
        assert lab.publisher.waiting < 300

        lab.sink.away = False
        await lab.clock.advance(3)

        mine = [fact for fact in lab.sink.facts if fact.instance_uid == UID]
        assert [fact.sequence for fact in mine] == sorted(fact.sequence for fact in mine)
        assert mine[-1].sequence == 502
        assert sum(fact.HasField("described") for fact in mine) == 2


async def test_full_spool_says_so() -> None:
    """By count and by bytes."""
    few, small = Lab(spool_facts=2), Lab(spool_bytes=500)
    speaker = session(epoch=0)

    assert not few.publisher.full
    few.publisher.add([health(speaker), health(speaker)])
    small.publisher.add([health(session(epoch=0), b"x" * 600)])

    assert (few.publisher.full, small.publisher.full) == (True, True)


async def test_steady_flow_gathers_into_batches() -> None:
    """After a batch the next facts wait a few milliseconds for company."""
    async with running() as lab:
        speaker = session()
        lab.publisher.add([health(speaker)])
        await lab.clock.advance(0)
        for _ in range(5):
            lab.publisher.add([health(speaker)])
            await lab.clock.advance(0.001)
        await lab.clock.advance(0.1)

        assert [len(batch.facts) for _, batch in lab.sink.batches] == [1, 5]


async def test_drain_waits_for_the_last_fact_but_not_for_ever() -> None:
    """A gateway that leaves says how far it got."""
    async with running() as lab:
        lab.sink.away = True
        lab.publisher.add([health(session())])
        draining = asyncio.ensure_future(lab.publisher.drain(1))
        await lab.clock.advance(2)
        assert await draining is False

        lab.sink.away = False
        draining = asyncio.ensure_future(lab.publisher.drain(5))
        await lab.clock.advance(3)
        assert await draining is True


async def test_cancelled_batch_is_not_lost() -> None:
    """A batch under way when the gateway ends goes back into the queue."""
    lab = Lab()
    never = asyncio.Event()

    async def publish(_: int, __: bytes) -> None:
        await never.wait()

    lab.sink.publish = publish  # type: ignore[method-assign, assignment]
    fact = health(session())
    task = asyncio.ensure_future(lab.publisher.run(partition_of(UID, PARTITIONS)))
    await lab.clock.advance(1)
    lab.publisher.add([fact])
    await lab.clock.advance(1)
    task.cancel()
    await asyncio.wait([task])

    assert lab.publisher.pending() == [fact]
