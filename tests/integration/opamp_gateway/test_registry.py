"""The registry on real Redis: merged writes, fenced by (epoch, turn), and a cache only."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from gatewaylab.fakes import RULES
from gatewaylab.speech import CAPABILITIES, UID, full
from redis.asyncio import Redis

from contracts import registry as names
from opamp_gateway.entries import may_adopt, memory_of
from opamp_gateway.facts import Fact
from opamp_gateway.messages import NOTHING
from opamp_gateway.registry import NoRegistry, Registry, ask
from opamp_gateway.session import HTTP, WEBSOCKET, Memory, Session
from servicekit.cache import connect_redis
from servicekit.clock import SystemClock
from world.eventually import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from devstack.redis import RedisServer

KEY = names.entry_key("default", UID)


class Lab:
    """A registry whose loops run, and a client to look from outside."""

    def __init__(self, registry: Registry, redis: Redis) -> None:
        self.registry = registry
        self.redis = redis
        self.lost = 0
        self.refused: list[tuple[str, bytes, int, int, bool]] = []
        self.displaced: list[tuple[str, bytes, int, str, int]] = []

    async def entry(self) -> dict[bytes, bytes]:
        """Write what waits and read the agent's entry."""
        await self.registry.flush()
        return cast("dict[bytes, bytes]", await self.redis.hgetall(KEY))


@asynccontextmanager
async def running(url: str, gateway_id: str = "gw-1") -> AsyncIterator[Lab]:
    """Run a registry."""
    client = connect_redis(url)

    def lost() -> None:
        lab.lost += 1

    def refused(*whose: Any, claim: bool) -> None:
        lab.refused.append((*whose, claim))

    def displaced(*whose: Any) -> None:
        lab.displaced.append(whose)

    registry = Registry(
        client,
        gateway_id,
        SystemClock(),
        lease_seconds=10,
        on_lost=lost,
        on_refused=refused,
        on_displaced=displaced,
    )
    async with Redis.from_url(url) as redis:
        lab = Lab(registry, redis)
        tasks = [asyncio.ensure_future(registry.run_reads()), asyncio.ensure_future(registry.run_writes())]
        try:
            yield lab
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await client.aclose()


def session(epoch: int = 5, transport: int = WEBSOCKET, turn: int = 0) -> Session:
    """Make a session that heard a full status as message 3."""
    made = Session(RULES, "default", UID, transport)
    made.remember(Memory("gw-0", epoch, HTTP, turn - 1), adopt=turn > 0)
    made.receive(full(sequence_num=3), 1.0, 1)
    made.epoch = epoch
    return made


async def test_what_was_written_is_remembered(redis_url: str) -> None:
    """Claim and digests come back as a memory."""
    async with running(redis_url) as lab:
        mine = session()
        lab.registry.claim(mine)
        lab.registry.announce(mine, digests=True)
        await lab.registry.flush()

        memory = await ask(lab.registry, "default", UID)

        assert memory == Memory("gw-1", 5, WEBSOCKET, 0, 3, CAPABILITIES, mine.digests)
        assert 0 < await lab.redis.ttl(KEY) <= names.ENTRY_TTL_SECONDS


async def test_published_facts_are_learned(redis_url: str) -> None:
    """Only digests of what is stored on the bus are written."""
    async with running(redis_url) as lab:
        mine = session(epoch=0)
        step = Session(RULES, "default", UID, WEBSOCKET)
        found = step.receive(full(), 1.0, 1)
        lab.registry.learn(found.facts)
        assert await lab.entry() == {}
        step.epoch = 6
        lab.registry.learn(found.facts[:2])

        entry = await lab.entry()
        assert [name for name in entry if name.startswith(b"d:")] == [b"d:agent_description"]
        assert mine.epoch == 0


async def test_lower_epoch_is_refused(redis_url: str) -> None:
    """A slow gateway cannot undo what a faster one wrote."""
    async with running(redis_url, "gw-old") as old, running(redis_url, "gw-new") as new:
        new.registry.claim(session(epoch=9))
        await new.entry()
        old.registry.claim(session(epoch=5))
        assert (await old.entry())[b"gateway"] == b"gw-new"
        old.registry.release(session(epoch=5))

        entry = await old.entry()
        assert (entry[b"gateway"], entry[b"epoch"]) == (b"gw-new", b"9")


async def test_taking_over_from_a_socket_elsewhere_is_told(redis_url: str) -> None:
    """With whose it was; not from a poll, not from oneself, not what was released."""
    async with running(redis_url, "gw-old") as old, running(redis_url, "gw-new") as new:
        old.registry.claim(session(epoch=5))
        await old.entry()
        new.registry.claim(session(epoch=9))
        await new.entry()
        new.registry.claim(session(epoch=10))
        await new.entry()
        new.registry.release(session(epoch=10))
        await new.entry()
        old.registry.claim(session(epoch=11, transport=HTTP))
        await old.entry()
        new.registry.claim(session(epoch=12))
        await new.entry()

    assert new.displaced == [("default", UID, 9, "gw-old", 5)]
    assert old.displaced == []


async def test_lower_turn_of_the_same_epoch_is_refused(redis_url: str) -> None:
    """Of two gateways that served one polling agent, the later one is right."""
    async with running(redis_url, "gw-a") as first, running(redis_url, "gw-b") as second:
        second.registry.claim(session(transport=HTTP, turn=2))
        await second.entry()
        first.registry.release(session(transport=HTTP))

        entry = await first.entry()
        assert (entry[b"gateway"], entry[b"turn"]) == (b"gw-b", b"2")
        assert (first.refused, second.refused) == ([("default", UID, 5, 0, False)], [])


async def test_release_clears_the_owner_only(redis_url: str) -> None:
    """What is known of the agent stays; somebody else's field stays, too."""
    async with running(redis_url) as lab:
        await lab.redis.hset(KEY, "desired", b"x" * 32)
        mine = session()
        lab.registry.announce(mine, digests=True)
        lab.registry.release(mine)

        entry = await lab.entry()
        assert b"gateway" not in entry
        assert (entry[b"seq"], entry[b"desired"]) == (b"3", b"x" * 32)
        memory = memory_of(entry)
        assert memory.digests == mine.digests
        assert not may_adopt(memory, "")


async def test_newer_session_of_the_same_agent_wins_in_the_queue(redis_url: str) -> None:
    """Writes that wait together keep the order of their epochs."""
    async with running(redis_url) as lab:
        lab.registry.claim(session(epoch=5))
        lab.registry.claim(session(epoch=6))
        lab.registry.release(session(epoch=5))

        assert (await lab.entry())[b"epoch"] == b"6"


async def test_loops_write_by_themselves(redis_url: str) -> None:
    """A few milliseconds later, without being told to."""
    async with running(redis_url) as lab:
        lab.registry.note(session())

        async def written() -> bool:
            return bool(await lab.redis.exists(KEY))

        await wait_until(written)


async def test_lease_tells_when_redis_forgot(redis_url: str) -> None:
    """A lease that vanished before its time means that everything did."""
    async with running(redis_url) as lab:
        await lab.registry.renew_lease()
        await lab.registry.renew_lease()
        assert lab.lost == 0
        await lab.redis.flushall()
        await lab.registry.renew_lease()
        assert lab.lost == 1
        await lab.registry.drop_lease()
        assert not await lab.redis.exists(names.lease_key("gw-1"))


async def test_every_error_is_a_miss(redis_server: RedisServer) -> None:
    """Nothing is raised while Redis is away, and it comes back by itself."""
    async with running(redis_server.url) as lab:
        await lab.registry.ping()
        redis_server.kill()
        assert await ask(lab.registry, "default", UID) is None
        lab.registry.claim(session())
        await lab.registry.flush()
        await lab.registry.renew_lease()
        await lab.registry.drop_lease()
        redis_server.start()

        async def back() -> bool:
            return await ask(lab.registry, "default", UID) == Memory()

        await wait_until(back)


def test_unreadable_entry_is_an_unknown_one() -> None:
    """Whatever somebody wrote there, nothing breaks."""
    memory = memory_of({b"epoch": b"x", b"seq": b"-1", b"d:health": b"short", b"gateway": b"\xff"})

    assert (memory.epoch, memory.sequence_num, memory.digests) == (0, 0, NOTHING)


async def test_no_registry_knows_nothing() -> None:
    """For a gateway on its own."""
    book = NoRegistry()
    book.claim(session())
    book.note(session())
    book.learn([])
    book.forget(session())
    book.release(session())

    assert await ask(book, "default", UID) == Memory()


async def test_look_up_that_fails_stops_no_other(redis_url: str) -> None:
    """Whoever asked and cannot take the answer is on its own."""

    def fail(_: Memory | None) -> None:
        raise RuntimeError

    async with running(redis_url) as lab:
        lab.registry.look_up("default", UID, fail)

        assert await ask(lab.registry, "default", UID) == Memory()
        lab.registry.look_up("default", UID, fail)
        assert await ask(lab.registry, "default", UID) == Memory()


async def test_forgotten_digests_are_unknown(redis_url: str) -> None:
    """Also after what was learned in the same moment; what is learned later is known again."""
    async with running(redis_url) as lab:
        mine = session()
        lab.registry.announce(mine, digests=True)
        await lab.registry.flush()

        lab.registry.forget(mine)
        await lab.registry.flush()
        memory = await ask(lab.registry, "default", UID)
        assert memory is not None
        assert (memory.digests, memory.sequence_num) == (NOTHING, 3)

        lab.registry.learn([Fact(mine, 18, b"", 1, slots=((0, b"12345678"),))])
        await lab.registry.flush()
        memory = await ask(lab.registry, "default", UID)
        assert memory is not None
        assert memory.digests[:8] == b"12345678"
