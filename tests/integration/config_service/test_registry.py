from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from config_service import target_store
from config_service.contents import Contents
from config_service.registry import CHUNK, LOOK_SECONDS, RegistryDesk
from config_service.selector import Reason
from config_service.target import Desired, Target
from contracts import registry
from contracts.subjects import CONTENT_BUCKET
from servicekit.bus import Bus
from servicekit.cache import connect_redis
from servicekit.clock import FakeClock
from world.facts import uid_of

from .conftest import TENANT, FakeAgent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg
    from redis.asyncio import Redis

    from devstack.redis import RedisServer

    from .conftest import Running


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Give a client of the registry."""
    client = connect_redis(redis_url)
    yield client
    await client.aclose()


async def desired(redis: Redis, uid: bytes) -> object:
    """Read what a gateway would offer at connect."""
    return await redis.hget(registry.entry_key(TENANT, uid), registry.DESIRED)


async def test_desired_hash_stands_in_the_registry(
    service: Running, redis: Redis, eventually: Callable[..., Awaitable[object]]
) -> None:
    """With its content in the store, before an agent comes back; another hash brings a higher generation."""
    made = await service.create("a", "a: 1", {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())

    async def says(config_hash: bytes) -> bool:
        return await desired(redis, agent.uid) == config_hash

    await eventually(lambda: says(made.config_hash))
    assert await service.bus.get_object(CONTENT_BUCKET, made.config_hash.hex()) is not None
    key = registry.entry_key(TENANT, agent.uid)
    generation = int(await redis.hget(key, registry.DESIRED_VERSION) or 0)

    changed = (await service.update("a", raw_config="a: 2")).configuration
    await eventually(lambda: says(changed.config_hash))
    assert int(await redis.hget(key, registry.DESIRED_VERSION) or 0) > generation

    await service.say(agent.delivered(changed.config_hash), agent.status("FAILED", changed.config_hash))
    await eventually(lambda: says(b""))


async def test_older_generation_never_replaces_a_newer(
    service: Running, redis: Redis, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Writers may overtake each other."""
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    key = registry.entry_key(TENANT, agent.uid)
    await redis.hset(key, mapping={registry.DESIRED: b"newer", registry.DESIRED_VERSION: 1 << 50})
    await service.create("a", "a: 1", {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: service.gateway.offered_to(agent.uid))

    assert await desired(redis, agent.uid) == b"newer"


async def test_restarted_redis_is_filled_again(
    service: Running, redis: Redis, redis_server: RedisServer, eventually: Callable[..., Awaitable[object]]
) -> None:
    """A cache may lose everything; offers go on meanwhile."""
    made = await service.create("a", "a: 1", {"env": "prod"})
    first, second = FakeAgent(uid_of(1), {"env": "prod"}), FakeAgent(uid_of(2), {"env": "prod"})
    await service.say(*first.connected())
    await eventually(lambda: service.gateway.offered_to(first.uid))

    redis_server.kill()
    await service.say(*second.connected())
    await eventually(lambda: service.gateway.offered_to(second.uid))
    redis_server.start()

    async def is_filled() -> bool:
        try:
            return [await desired(redis, agent.uid) for agent in (first, second)] == [made.config_hash] * 2
        except (OSError, RedisError):
            return False

    await eventually(is_filled)


HASH = b"h" * 32


async def at_once() -> None:
    """Give way to nobody."""


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that moves when told to."""
    return FakeClock()


@pytest.fixture
async def desk(redis: Redis, pool: asyncpg.Pool, nats_url: str, clock: FakeClock) -> AsyncIterator[RegistryDesk]:
    """Give a desk that just began."""
    bus = await Bus.connect(nats_url, name="test")
    yield RegistryDesk(redis, pool, Contents(pool, bus), clock, at_once)
    await bus.close()


async def committed(pool: asyncpg.Pool, number: int, generation: int, config_hash: bytes = HASH) -> bytes:
    """Store an agent whose entry nobody wrote: its writer was killed after commit."""
    desired_ = Desired("a", 1, config_hash) if config_hash else None
    target = Target(
        TENANT, uid_of(number), capabilities=2, desired=desired_, reason=Reason.SELECTOR, generation=generation
    )
    async with pool.acquire() as connection, connection.transaction():
        await target_store.save(connection, TENANT, {}, [target])
    return target.uid


async def test_everything_is_announced_after_a_start(desk: RegistryDesk, redis: Redis, pool: asyncpg.Pool) -> None:
    """However old: a process may have died between commit and write while Redis lived on."""
    await desk.fill()
    old = await committed(pool, 1, 1)
    await desk.fill()
    assert await desired(redis, old) is None

    await RegistryDesk(redis, pool, desk._contents, FakeClock(), at_once).fill()

    assert await desired(redis, old) == HASH


async def test_recent_change_of_a_process_that_died_is_announced(
    desk: RegistryDesk, redis: Redis, pool: asyncpg.Pool
) -> None:
    """Another replica committed and was killed: the one that fills writes it, also that nothing is desired."""
    await desk.fill()
    moment = int(time.time() * 1000)
    wanted, unwanted = await committed(pool, 1, moment), await committed(pool, 2, moment, b"")
    await redis.hset(
        registry.entry_key(TENANT, unwanted), mapping={registry.DESIRED: HASH, registry.DESIRED_VERSION: 5}
    )

    await desk.fill()

    assert await desired(redis, wanted) == HASH
    assert await desired(redis, unwanted) == b""


async def test_one_script_writes_many_and_passes_over_what_is_newer(desk: RegistryDesk, redis: Redis) -> None:
    """Each entry is judged by itself; more than one script's worth."""
    newer = registry.entry_key(TENANT, uid_of(3))
    await redis.hset(newer, mapping={registry.DESIRED: b"newer", registry.DESIRED_VERSION: 9})

    await desk.write([(TENANT, uid_of(number), HASH, 8) for number in range(CHUNK + 1)])

    said = [await desired(redis, uid_of(number)) for number in range(CHUNK + 1)]
    assert said == [b"newer" if number == 3 else HASH for number in range(CHUNK + 1)]
    assert await redis.ttl(registry.entry_key(TENANT, uid_of(CHUNK))) > 0
    assert await redis.ttl(newer) == -1


async def test_who_fills_does_not_repeat_what_it_wrote_itself(
    desk: RegistryDesk,
    clock: FakeClock,
    redis: Redis,
    pool: asyncpg.Pool,
    eventually: Callable[..., Awaitable[object]],
) -> None:
    """Only what others may have left unsaid is said again."""
    moment = int(time.time() * 1000)
    filling = asyncio.create_task(desk.keep_filled())
    await eventually(lambda: clock._sleepers)
    own, foreign = await committed(pool, 1, moment), await committed(pool, 2, moment)
    await desk.write([(TENANT, own, HASH, moment)])
    await redis.delete(registry.entry_key(TENANT, own))

    async def is_said() -> bool:
        await clock.advance(LOOK_SECONDS)
        return await desired(redis, foreign) == HASH

    await eventually(is_said)
    filling.cancel()

    assert await desired(redis, own) is None


async def test_what_could_not_be_written_is_kept(
    desk: RegistryDesk,
    clock: FakeClock,
    redis: Redis,
    redis_server: RedisServer,
    eventually: Callable[..., Awaitable[object]],
) -> None:
    """By whichever replica it was: it writes it itself once Redis answers."""
    redis_server.kill()
    desk.put([(TENANT, uid_of(1), HASH, 7)])
    writing = asyncio.create_task(desk.run())
    await eventually(lambda: clock._sleepers)
    redis_server.start()

    async def is_written() -> bool:
        await clock.advance(LOOK_SECONDS)
        try:
            return await desired(redis, uid_of(1)) == HASH
        except (OSError, RedisError):
            return False

    await eventually(is_written)
    writing.cancel()
