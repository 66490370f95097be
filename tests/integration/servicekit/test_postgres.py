from __future__ import annotations

from servicekit import metrics
from servicekit.postgres import connect_pool, ping
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
