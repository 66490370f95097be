from __future__ import annotations

import asyncio

import asyncpg
import pytest

from servicekit import metrics
from servicekit import postgres as module
from servicekit.postgres import close_pool, connect_pool, ping
from world.postgres import Database


async def test_json_goes_both_ways_and_statements_are_counted(postgres: Database) -> None:
    """A jsonb value is a Python value on both sides; each statement is counted by its first word."""
    pool = await connect_pool(postgres.url_for("agent-state"), service="test")
    before = metrics.DB_QUERIES.labels("select")._value.get()
    value = {"a": [1, None, "ü"], "b": True}

    assert await pool.fetchval("SELECT $1::jsonb", value) == value
    await ping(pool)

    assert metrics.DB_QUERIES.labels("select")._value.get() >= before + 1
    assert metrics.DB_CONNECTIONS_OPEN._value.get() >= 1
    await pool.close()


async def test_a_pool_closes_although_a_connection_is_still_lent(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection nobody gives back is cut after a while; stopping a service never hangs on it."""
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.1)
    pool = await connect_pool(postgres.url_for("agent-state"), service="test")
    lent = await pool.acquire()

    await asyncio.wait_for(close_pool(pool), 30)

    with pytest.raises(asyncpg.InterfaceError):
        await lent.fetchval("SELECT 1")
