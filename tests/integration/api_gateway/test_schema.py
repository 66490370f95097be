"""schema.sql, the migrations and the database agree."""

from __future__ import annotations

from importlib import resources
from typing import Any

import asyncpg
import pytest

from servicekit.migrate import migrate

KIT = ("schema_migration", "outbox", "outbox_stream", "consumer_offset", "dead_letter")
_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name
FROM information_schema.columns WHERE table_schema = current_schema() AND table_name <> ALL($1)
"""
_INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename <> ALL($1)"
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = current_schema()::regnamespace AND contype <> 'n' AND conrelid::regclass::text <> ALL($1)
"""


async def catalogue(url: str) -> set[tuple[object, ...]]:
    """Describe our own tables as PostgreSQL would."""
    connection = await asyncpg.connect(url)
    try:
        return {
            tuple(row.values())
            for query in (_COLUMNS, _INDEXES, _CONSTRAINTS)
            for row in await connection.fetch(query, list(KIT))
        }
    finally:
        await connection.close()


async def test_migrations_end_in_schema_sql(postgres: Any) -> None:
    """schema.sql is the whole truth: it makes what the migrations make; migrating twice is harmless."""
    url = postgres.url_for("api-gateway")
    await migrate(url, "api_gateway")
    assert await migrate(url, "api_gateway") == []
    migrated = await catalogue(url)
    admin = await asyncpg.connect(postgres.admin_url)
    await admin.execute("DROP SCHEMA api_gateway CASCADE; CREATE SCHEMA api_gateway AUTHORIZATION api_gateway")
    await admin.close()
    own = await asyncpg.connect(url)
    await own.execute((resources.files("api_gateway") / "schema.sql").read_text())
    await own.close()

    assert await catalogue(url) == migrated
    assert len(migrated) > 40


async def test_a_neighbours_tables_cannot_be_read(postgres: Any) -> None:
    """The rule is the database's, not ours."""
    await migrate(postgres.url_for("agent-state"), "agent_state")
    own = await asyncpg.connect(postgres.url_for("api-gateway"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await own.fetch("SELECT * FROM agent_state.agent")
    finally:
        await own.close()
