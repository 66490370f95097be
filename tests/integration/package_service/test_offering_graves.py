"""Deleted agents are remembered, for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.offering import graves
from world import facts as say

from .offering_ground import TENANT

if TYPE_CHECKING:
    import asyncpg


async def test_newest_connection_counts(pool: asyncpg.Pool) -> None:
    """Deleted again it is as late as it was; tenants do not see each other's."""
    async with pool.acquire() as connection, connection.transaction():
        for epoch in (5, 7, 6):
            await graves.bury(connection, TENANT, say.uid_of(1), epoch)
        await graves.bury(connection, "other", say.uid_of(2), 1)

        assert await graves.epochs(connection, TENANT, [say.uid_of(1), say.uid_of(2)]) == {say.uid_of(1): 7}
        assert await graves.epochs(connection, TENANT, []) == {}


async def test_forgotten_when_nothing_is_under_way_any_more(pool: asyncpg.Pool) -> None:
    """Younger ones stay."""
    async with pool.acquire() as connection, connection.transaction():
        await graves.bury(connection, TENANT, say.uid_of(1), 1)
        await connection.execute("UPDATE package_grave SET deleted_at = now() - interval '3 days'")
        await graves.bury(connection, TENANT, say.uid_of(2), 1)
        await graves.prune(connection)

        found = await graves.epochs(connection, TENANT, [say.uid_of(1), say.uid_of(2)])
    assert found == {say.uid_of(2): 1}
