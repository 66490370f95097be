"""Uploads in the database: every step is guarded by the offset it starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service import upload_store
from package_service.blob_store import Part

from .conftest import TENANT

if TYPE_CHECKING:
    import asyncpg


async def test_parts_count_once_and_in_order(pool: asyncpg.Pool) -> None:
    """A part that does not begin where the upload stands changes nothing."""
    async with pool.acquire() as connection:
        upload = await upload_store.begin(connection, TENANT, None, size=0, sha256=None, part_bytes=5, author="ann")
        assert await upload_store.set_multipart(connection, upload, "m")
        assert not await upload_store.set_multipart(connection, upload, "other")
        assert await upload_store.add_part(connection, upload, 0, Part(1, 5, "a"), "m")
        assert not await upload_store.add_part(connection, upload, 0, Part(1, 5, "a"), "m")
        assert not await upload_store.add_part(connection, upload, 5, Part(2, 5, "b"), "other")
        assert await upload_store.add_part(connection, upload, 5, Part(2, 3, "b"), "m")

        found = await upload_store.one(connection, TENANT, upload.upload_id)

        assert found is not None
        assert (found.stored, found.parts, found.draft) == (8, 2, None)
        assert await upload_store.parts_of(connection, found) == [Part(1, 5, "a"), Part(2, 3, "b")]
        assert await upload_store.open_uploads(connection, TENANT) == (1, 8)
        assert await upload_store.open_uploads(connection, "another") == (0, 0)
        await upload_store.reset(connection, found)
        assert await upload_store.parts_of(connection, found) == []
        assert [each.upload_id for each in await upload_store.stale(connection, 0, 10)] == [upload.upload_id]
        assert await upload_store.stale(connection, 60, 10) == []
        await upload_store.delete(connection, found)
        assert await upload_store.one(connection, TENANT, upload.upload_id) is None


async def test_one_at_a_time(pool: asyncpg.Pool) -> None:
    """The lock of an upload ends with the transaction that took it."""
    async with pool.acquire() as first, pool.acquire() as second:
        upload = await upload_store.begin(first, TENANT, None, size=0, sha256=None, part_bytes=5, author="ann")
        async with first.transaction():
            assert await upload_store.try_lock(first, upload.upload_id)
            async with second.transaction():
                assert not await upload_store.try_lock(second, upload.upload_id)
        async with second.transaction():
            assert await upload_store.try_lock(second, upload.upload_id)
