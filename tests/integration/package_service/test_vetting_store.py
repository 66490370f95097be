"""What is known of stored contents: pages, and what changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.vetting import store

from .conftest import TENANT
from .test_file_store import add

if TYPE_CHECKING:
    import asyncpg


async def test_wanted_contents_come_in_pages(pool: asyncpg.Pool) -> None:
    """Each once, in order of their hashes; refused ones only when asked for."""
    files = [await add(pool, f"1.0.{number}") for number in range(5)]
    await pool.execute("UPDATE package_file SET wanted_at = now()")
    await store.refuse(pool, TENANT, [files[0].file_id], "mark", "unsigned")  # type: ignore[arg-type] # a pool will do

    listed, after = [], b""
    while batch := await store.wanted(pool, after, 2, refused_too=False):
        listed += batch
        after = batch[-1]

    assert listed == sorted(file.sha256 for file in files[1:])
    assert len(await store.wanted(pool, b"", 10, refused_too=True)) == 5


async def test_unvetting_tells_what_was_offered(pool: asyncpg.Pool) -> None:
    """Those that were not are not told, and a second time there is nothing to tell."""
    file = await add(pool, "1.0.0", content=b"same")
    twin = await add(pool, "1.0.1", content=b"same")
    async with pool.acquire() as connection, connection.transaction():
        await store.vet(connection, TENANT, [file.file_id], "mark")

        assert await store.vetted(connection, b"", 10) == [(file.sha256, "mark")]
        assert await store.oldest(connection, 60) is None
        assert await store.oldest(connection, -1) == file.sha256
        assert {each.file_id for each in await store.candidates(connection, file.sha256)} == {file.file_id}
        assert await store.unvet(connection, file.sha256, "missing") == [(TENANT, "collector")]
        assert await store.unvet(connection, file.sha256, "missing") == []
        assert await store.vetted(connection, b"", 10) == []
        assert await store.oldest(connection, -1) is None
        assert await store.size_of(connection, twin.sha256) == 7
        assert await store.figures(connection) == (0, 0)
