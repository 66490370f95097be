"""schema.sql is the whole truth, and the tables are nobody else's."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import asyncpg
import pytest

from servicekit import migrate

if TYPE_CHECKING:
    from world.postgres import Database

SERVICE = "package-service"
OWN = (
    "package",
    "package_file",
    "loose_blob",
    "upload",
    "upload_part",
    "package_signature",
    "package_key",
    "package_manifest",
    "file_ticket_key",
    "package_assignment",
    "package_assignment_agent",
    "package_choice",
    "offering_generation",
    "package_change",
    "package_list",
    "package_target",
    "agent_package",
    "package_grave",
    "package_attempt",
    "campaign",
    "campaign_agent",
)

_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ANY ($1) ORDER BY 1, 2
"""
_INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = ANY ($1) ORDER BY 1"
)
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid::regclass::text = ANY ($1) ORDER BY 1, 2
"""


async def shape(url: str) -> list[list[tuple[object, ...]]]:
    """Describe the service's own tables."""
    connection = await asyncpg.connect(url)
    try:
        return [
            [tuple(row) for row in await connection.fetch(query, list(OWN))]
            for query in (_COLUMNS, _INDEXES, _CONSTRAINTS)
        ]
    finally:
        await connection.close()


async def test_schema_file_equals_migrations(postgres: Database) -> None:
    """Reading one file tells every table as it is."""
    url = postgres.url_for(SERVICE)
    connection = await asyncpg.connect(url)
    await connection.execute((resources.files("package_service") / "schema.sql").read_text())
    await connection.close()
    written = await shape(url)
    connection = await asyncpg.connect(url)
    await connection.execute(f"DROP TABLE {', '.join(OWN)}")
    await connection.close()

    await migrate.migrate(url, "package_service")

    assert await shape(url) == written
    assert {row[0] for row in written[0]} == set(OWN)


async def test_migrating_twice_is_harmless(postgres: Database) -> None:
    """The second run finds nothing to do."""
    url = postgres.url_for(SERVICE)
    assert await migrate.migrate(url, "package_service")

    assert await migrate.migrate(url, "package_service") == []


async def test_neighbours_cannot_read_the_tables(postgres: Database) -> None:
    """The rule is the database's, not ours."""
    await migrate.migrate(postgres.url_for(SERVICE), "package_service")
    neighbour = await asyncpg.connect(postgres.url_for("agent-state"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await neighbour.fetch("SELECT 1 FROM package_service.package")
    finally:
        await neighbour.close()
