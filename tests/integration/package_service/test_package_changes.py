"""Notes for whoever decides on offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service import package_changes

from .conftest import TENANT

if TYPE_CHECKING:
    import asyncpg


async def test_each_package_is_noted_once_at_a_time(pool: asyncpg.Pool) -> None:
    """However often it is named; nothing is noted of nothing."""
    async with pool.acquire() as connection, connection.transaction():
        await package_changes.note(connection, [])
        await package_changes.note(connection, [(TENANT, "b"), (TENANT, "a"), (TENANT, "b"), ("x", "a")])

    rows = await pool.fetch("SELECT tenant_id, package FROM package_change ORDER BY change_id")
    assert [tuple(row) for row in rows] == [(TENANT, "a"), (TENANT, "b"), ("x", "a")]
