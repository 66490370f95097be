from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent_state.effective_config_store import EffectiveConfigStore
from agent_state.retention import WEEKS_AHEAD, Retention
from world.facts import uid_of

if TYPE_CHECKING:
    import asyncpg

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=200)
INSERT = """
INSERT INTO agent_connection (tenant_id, agent_uid, connected_at, epoch, disconnected_at)
VALUES ('default', $1, $2, $3, $4)
"""
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'agent_connection'::regclass"


@pytest.fixture
def retention(pool: asyncpg.Pool) -> Retention:
    """Give upkeep that keeps 90 days."""
    return Retention(pool, EffectiveConfigStore(1 << 20), connection_days=90)


async def test_partitions_are_made_ahead_once(pool: asyncpg.Pool, retention: Retention) -> None:
    """This week and the next ones have a place; a second run adds none."""
    await retention.keep_up()
    await retention.keep_up()

    assert len(await pool.fetch(PARTITIONS)) == WEEKS_AHEAD + 2
    await pool.execute(INSERT, uid_of(1), NOW, 1, None)
    assert await pool.fetchval("SELECT count(*) FROM ONLY agent_connection_rest") == 0


async def test_rows_in_the_way_do_not_stop_the_service(pool: asyncpg.Pool, retention: Retention) -> None:
    """A week whose rows are in the default partition already stays there."""
    await pool.execute(INSERT, uid_of(1), NOW, 1, None)

    await retention.keep_up()

    assert len(await pool.fetch(PARTITIONS)) == WEEKS_AHEAD + 1


async def test_old_weeks_are_dropped_but_open_connections_stay(pool: asyncpg.Pool, retention: Retention) -> None:
    """A week of ended connections goes whole; one that is still open keeps its row, and only its row."""
    await retention.make_partitions(OLD)
    await retention.make_partitions(OLD + timedelta(weeks=1))
    await pool.execute(INSERT, uid_of(1), OLD, 1, OLD + timedelta(hours=1))
    later = OLD + timedelta(weeks=1)
    await pool.execute(INSERT, uid_of(1), later, 2, later + timedelta(hours=1))
    await pool.execute(INSERT, uid_of(1), later, 3, None)
    before = len(await pool.fetch(PARTITIONS))

    await retention.drop_old(NOW)

    rows = await pool.fetch("SELECT epoch FROM agent_connection")
    assert [row["epoch"] for row in rows] == [3]
    assert len(await pool.fetch(PARTITIONS)) == before - (WEEKS_AHEAD + 1)


async def test_default_partition_is_cleaned_by_row(pool: asyncpg.Pool, retention: Retention) -> None:
    """What no week claimed is deleted when it is old."""
    await pool.execute(INSERT, uid_of(1), OLD, 1, OLD)
    await pool.execute(INSERT, uid_of(1), NOW, 2, NOW)

    await retention.drop_old(NOW)

    assert await pool.fetchval("SELECT array_agg(epoch) FROM agent_connection") == [2]


async def test_unused_bodies_are_collected(pool: asyncpg.Pool, retention: Retention) -> None:
    """A body nobody refers to goes after a while, one in use stays."""
    for body_hash in (b"a" * 32, b"b" * 32):
        await pool.execute(
            "INSERT INTO effective_config_body VALUES ('default', $1, '', now() - interval '1 hour')", body_hash
        )
    await pool.execute("INSERT INTO effective_config VALUES ('default', $1, 1, 1, $2)", uid_of(1), b"a" * 32)

    assert await retention.collect_bodies() == 1
    assert await pool.fetchval("SELECT body_hash FROM effective_config_body") == b"a" * 32
