from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from servicekit import partitions
from servicekit.partitions import PartitionLocks
from servicekit.postgres import connect_pool
from world.postgres import Database

Eventually = Callable[..., Awaitable[object]]

COUNT = 6


@pytest.fixture
async def pool(postgres: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Pool]:
    """Give a pool; replicas look at each other often."""
    monkeypatch.setattr(partitions, "REBALANCE_SECONDS", 0.05)
    pool = await connect_pool(postgres.url_for("agent-state"), service="test")
    yield pool
    pool.terminate()


@contextlib.asynccontextmanager
async def replica(pool: asyncpg.Pool) -> AsyncIterator[PartitionLocks]:
    """Run one replica for a while."""
    locks = PartitionLocks(pool, "facts", COUNT)
    task = asyncio.ensure_future(locks.run())
    try:
        yield locks
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def owned(locks: PartitionLocks) -> set[int]:
    """List what a replica serves."""
    return {number for number in range(COUNT) if locks.owns(number)}


async def test_one_replica_serves_all(pool: asyncpg.Pool) -> None:
    """Alone, a replica owns every partition."""
    async with replica(pool) as locks:
        for number in range(COUNT):
            await asyncio.wait_for(locks.wait_for(number), 30)
        assert owned(locks) == set(range(COUNT))


async def test_two_replicas_share_and_the_survivor_takes_all(pool: asyncpg.Pool, eventually: Eventually) -> None:
    """A second replica gets half; when it goes, the first serves everything again; none is served twice."""
    async with replica(pool) as first:
        await eventually(lambda: len(owned(first)) == COUNT)
        async with replica(pool) as second:
            await eventually(lambda: len(owned(second)) == COUNT // 2)
            await eventually(lambda: len(owned(first)) == COUNT // 2)
            assert owned(first) | owned(second) == set(range(COUNT))
            assert not owned(first) & owned(second)
        await eventually(lambda: len(owned(first)) == COUNT)


async def test_a_cut_session_loses_everything_at_once(
    pool: asyncpg.Pool, postgres: Database, eventually: Eventually
) -> None:
    """When the session is gone the replica knows that it owns nothing, and joins again."""
    async with replica(pool) as locks:
        await eventually(lambda: len(owned(locks)) == COUNT)
        admin = await asyncpg.connect(postgres.admin_url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'agent_state'"
            " AND datname = current_database()"
        )
        await admin.close()
        await eventually(lambda: not owned(locks))
        await eventually(lambda: len(owned(locks)) == COUNT)
