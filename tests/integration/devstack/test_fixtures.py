"""The servers tests stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import nats
import pytest
import redis.asyncio

if TYPE_CHECKING:
    from devstack.nats import NatsServer
    from devstack.redis import RedisServer
    from world.postgres import Database


async def test_service_owns_its_schema_only(postgres: Database) -> None:
    """A service's role makes tables in its own schema and sees nothing of its neighbour's."""
    neighbour = await asyncpg.connect(postgres.url_for("config-service"))
    await neighbour.execute("CREATE TABLE secret (id int)")
    await neighbour.close()

    connection = await asyncpg.connect(postgres.url_for("agent-state"))
    await connection.execute("CREATE TABLE mine (id int)")

    assert await connection.fetchval("SELECT 'agent_state.mine'::regclass::text") == "mine"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT * FROM config_service.secret")
    await connection.close()


async def test_each_test_has_a_database_of_its_own(postgres: Database) -> None:
    """What another test wrote is not there."""
    connection = await asyncpg.connect(postgres.url_for("agent-state"))

    assert await connection.fetchval("SELECT to_regclass('mine')") is None
    assert await connection.fetchval("SHOW data_checksums") == "on"
    await connection.close()


async def test_nats_keeps_its_stream_over_a_kill(nats_server: NatsServer) -> None:
    """What JetStream acknowledged is there after kill -9 and start."""
    first = await nats.connect(nats_server.url)
    await first.jetstream().add_stream(name="S", subjects=["s"])
    await first.jetstream().publish("s", b"kept")
    await first.close()

    nats_server.kill()
    nats_server.start()

    second = await nats.connect(nats_server.url)
    kept = await second.jetstream().get_msg("S", 1)
    await second.close()
    assert kept.data == b"kept"


async def test_redis_is_empty_after_a_kill(redis_server: RedisServer) -> None:
    """Redis comes back on its port and knows nothing any more."""
    async with redis.asyncio.from_url(redis_server.url) as client:
        await client.set("a", "b")

    redis_server.kill()
    redis_server.start()

    async with redis.asyncio.from_url(redis_server.url) as client:
        assert await client.get("a") is None
