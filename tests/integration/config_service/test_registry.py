from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import registry
from contracts.subjects import CONTENT_BUCKET
from servicekit.cache import connect_redis
from world.facts import uid_of

from .conftest import TENANT, FakeAgent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

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

    await eventually(lambda: says(made.config_hash), within=10)
    assert await service.bus.get_object(CONTENT_BUCKET, made.config_hash.hex()) is not None
    key = registry.entry_key(TENANT, agent.uid)
    generation = int(await redis.hget(key, registry.DESIRED_VERSION) or 0)

    changed = (await service.update("a", raw_config="a: 2")).configuration
    await eventually(lambda: says(changed.config_hash), within=10)
    assert int(await redis.hget(key, registry.DESIRED_VERSION) or 0) > generation

    await service.say(agent.delivered(changed.config_hash), agent.status("FAILED", changed.config_hash))
    await eventually(lambda: says(b""), within=10)


async def test_older_generation_never_replaces_a_newer(
    service: Running, redis: Redis, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Writers may overtake each other."""
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    key = registry.entry_key(TENANT, agent.uid)
    await redis.hset(key, mapping={registry.DESIRED: b"newer", registry.DESIRED_VERSION: 1 << 50})
    await service.create("a", "a: 1", {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: service.gateway.offered_to(agent.uid), within=10)

    assert await desired(redis, agent.uid) == b"newer"


async def test_restarted_redis_is_filled_again(
    service: Running, redis: Redis, redis_server: RedisServer, eventually: Callable[..., Awaitable[object]]
) -> None:
    """A cache may lose everything; offers go on meanwhile."""
    made = await service.create("a", "a: 1", {"env": "prod"})
    first, second = FakeAgent(uid_of(1), {"env": "prod"}), FakeAgent(uid_of(2), {"env": "prod"})
    await service.say(*first.connected())
    await eventually(lambda: service.gateway.offered_to(first.uid), within=10)

    redis_server.kill()
    await service.say(*second.connected())
    await eventually(lambda: service.gateway.offered_to(second.uid), within=10)
    redis_server.start()

    async def is_filled() -> bool:
        return [await desired(redis, agent.uid) for agent in (first, second)] == [made.config_hash] * 2

    await eventually(is_filled, within=20)
