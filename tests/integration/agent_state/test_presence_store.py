from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent_state.presence_store import Heard, PresenceStore
from world.facts import batch, connected, disconnected, uid_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

HEARD = Heard("default", uid_of(1), 5, "gw-1")


async def test_sign_of_life_being_written_keeps_its_agent(pool: asyncpg.Pool, apply: Applier) -> None:
    """A sweep at the very moment of a heartbeat leaves the agent alone instead of racing it."""
    store = PresenceStore(pool)
    await apply(batch(connected(uid_of(1), 5)))
    await pool.execute("UPDATE agent_presence SET last_seen_at = now() - interval '70 s'")
    async with pool.acquire() as writer, pool.acquire() as sweeper:
        async with writer.transaction():
            await store.heard(writer, [HEARD])
            async with asyncio.timeout(60), sweeper.transaction():
                assert await store.lose(sweeper, 60, "heartbeat timeout", None) == []
        async with sweeper.transaction():
            assert await store.lose(sweeper, 60, "heartbeat timeout", None) == []


async def test_only_connected_agents_are_silent(pool: asyncpg.Pool, apply: Applier) -> None:
    """Who said good-bye is not missed."""
    store = PresenceStore(pool)
    await apply(batch(connected(uid_of(1), 5), connected(uid_of(2), 6), disconnected(uid_of(2), 6, 2)))
    await pool.execute("UPDATE agent_presence SET last_seen_at = now() - interval '70 s'")

    assert await store.silent(60) == 1
    assert await store.connected() == 1


async def test_heartbeats_are_heap_only_updates(pool: asyncpg.Pool, apply: Applier) -> None:
    """No index is touched by a sign of life, and the agent row not at all."""
    store = PresenceStore(pool)
    await apply(batch(connected(uid_of(1), 5)))
    before = await pool.fetchval("SELECT xmin::text FROM agent")
    async with pool.acquire() as connection:
        for _ in range(10):
            assert await store.heard(connection, [HEARD]) == 1
        await connection.execute("SELECT pg_stat_force_next_flush()")
        row = await connection.fetchrow(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'agent_presence'"
        )

    assert row is not None
    assert (row["n_tup_upd"], row["n_tup_hot_upd"]) == (10, 10)
    assert await pool.fetchval("SELECT xmin::text FROM agent") == before


async def test_old_leases_are_forgotten(pool: asyncpg.Pool) -> None:
    """A gateway that is long gone leaves nothing behind."""
    store = PresenceStore(pool)
    await store.renew([("old", False, 0), ("new", False, 0)], 10)
    await pool.execute("UPDATE gateway_lease SET expires_at = now() - interval '2 minutes' WHERE gateway_id = 'old'")

    assert await store.expired_gateways([]) == ["old"]
    assert await store.expired_gateways(["old"]) == []
    await store.forget_leases(60)
    assert await pool.fetchval("SELECT array_agg(gateway_id) FROM gateway_lease") == ["new"]
