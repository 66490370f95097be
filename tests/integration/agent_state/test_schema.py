from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import asyncpg
import pytest

from servicekit import migrate

if TYPE_CHECKING:
    from world.postgres import Database

# What exists, as PostgreSQL itself would write it down.
_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, co.collname,
  pg_get_expr(d.adbin, d.adrelid), c.reloptions
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation co ON co.oid = a.attcollation
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'S')
"""
_INDEXES = (
    "SELECT tablename, replace(indexdef, schemaname || '.', '') FROM pg_indexes WHERE schemaname = current_schema()"
)
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = current_schema()::regnamespace AND contype <> 'n'
"""
_FUNCTIONS = "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
KIT = {
    "schema_migration",
    "outbox",
    "outbox_stream",
    "consumer_offset",
    "dead_letter",
    "outbox_id_seq",
    "dead_letter_id_seq",
}


async def catalogue(url: str) -> set[tuple[object, ...]]:
    """Describe our own tables, not the kit's."""
    connection = await asyncpg.connect(url)
    try:
        found: set[tuple[object, ...]] = set()
        for query in (_COLUMNS, _INDEXES, _CONSTRAINTS, _FUNCTIONS):
            for row in await connection.fetch(query):
                if row[0] not in KIT:
                    found.add((query, *(str(value) for value in row.values())))
        return found
    finally:
        await connection.close()


async def test_migrations_end_in_schema_sql(postgres: Database) -> None:
    """schema.sql is the whole truth: it makes what the migrations make."""
    url = postgres.url_for("agent-state")
    await migrate.migrate(url, "agent_state")
    migrated = await catalogue(url)
    connection = await asyncpg.connect(postgres.admin_url)
    try:
        await connection.execute("DROP SCHEMA agent_state CASCADE; CREATE SCHEMA agent_state AUTHORIZATION agent_state")
    finally:
        await connection.close()
    connection = await asyncpg.connect(url)
    try:
        await connection.execute((resources.files("agent_state") / "schema.sql").read_text())
    finally:
        await connection.close()

    written = await catalogue(url)

    assert migrated == written
    assert len(migrated) > 100


async def test_migrating_twice_is_harmless(postgres: Database) -> None:
    """A second start applies nothing."""
    url = postgres.url_for("agent-state")

    assert "0001_create_agent.sql" in await migrate.migrate(url, "agent_state")
    assert await migrate.migrate(url, "agent_state") == []


async def test_neighbours_cannot_read_us_nor_we_them(postgres: Database) -> None:
    """The role of another service has no way into this schema, nor we into its."""
    await migrate.migrate(postgres.url_for("agent-state"), "agent_state")
    for service, table in (("config-service", "agent_state.agent"), ("agent-state", "config_service.anything")):
        connection = await asyncpg.connect(postgres.url_for(service))
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {table}")  # noqa: S608 - a constant
        finally:
            await connection.close()
