"""Files in the database: lists, filters, pages, damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleet.api.v1 import page_pb2
from package_service import file_store
from package_service.file_store import SORTS, Filter
from package_service.package import draft_of
from servicekit.paging import cut, page_of

from .conftest import TENANT, sha256

if TYPE_CHECKING:
    import asyncpg

    from package_service.file_store import File


async def add(
    pool: asyncpg.Pool,
    version: str,
    *,
    name: str = "collector",
    content: bytes = b"",
    tenant_id: str = TENANT,
    **more: str,
) -> File:
    """Publish a row."""
    fields = {"platform": "linux", "arch": "amd64", **more}
    draft = draft_of(name=name, version=version, **fields)
    async with pool.acquire() as connection, connection.transaction():
        await file_store.type_of(connection, tenant_id, draft)
        digest = sha256(content or version.encode())
        file_id = await file_store.add(connection, tenant_id, draft, sha256=digest, size=7, author="ann")
        assert file_id is not None
        assert await file_store.add(connection, tenant_id, draft, sha256=digest, size=7, author="ann") is None
        made = await file_store.one(connection, tenant_id, file_id)
        assert made is not None
    return made


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", SORTS)
async def test_pages_hold_every_row_once(pool: asyncpg.Pool, sort: str, descending: bool) -> None:
    """By cursor and by offset, also where keys are equal."""
    for number in range(5):
        await add(pool, f"1.0.{number}", name=f"n{number % 2}")
    everything, total = await file_store.list_files(
        pool, TENANT, page_of(page_pb2.PageRequest(limit=10)), Filter(), sort=sort, descending=descending
    )
    seen, cursor = [], ""
    while True:
        page = page_of(page_pb2.PageRequest(limit=2, cursor=cursor))
        rows, _ = await file_store.list_files(pool, TENANT, page, Filter(), sort=sort, descending=descending)
        shown, cursor = cut(rows, page, lambda row: file_store.sort_key(row, sort))
        seen += [row.file_id for row in shown]
        if not cursor:
            break

    assert total == 5
    assert seen == [row.file_id for row in everything]


@pytest.mark.parametrize(
    ("wanted", "versions"),
    [
        (Filter(name="agent"), {"2.0.0"}),
        (Filter(version="1.0.0"), {"1.0.0"}),
        (Filter(platform="windows"), {"1.1.0"}),
        (Filter(arch="any"), {"2.0.0"}),
        (Filter(type="addon"), {"2.0.0"}),
        (Filter(active=False), {"1.1.0"}),
        (Filter(search="LLECT"), {"1.0.0", "1.1.0"}),
        (Filter(search="%"), set()),
    ],
)
async def test_filters(pool: asyncpg.Pool, wanted: Filter, versions: set[str]) -> None:
    """Each alone; a search is no pattern."""
    await add(pool, "1.0.0")
    off = await add(pool, "1.1.0", platform="windows")
    await add(pool, "2.0.0", name="agent", arch="any", type="addon")
    async with pool.acquire() as connection:
        assert await file_store.set_active(connection, TENANT, off.file_id, active=False)
        assert not await file_store.set_active(connection, TENANT, off.file_id, active=False)

    rows, total = await file_store.list_files(pool, TENANT, page_of(page_pb2.PageRequest()), wanted)
    others, _ = await file_store.list_files(pool, "another", page_of(page_pb2.PageRequest()), wanted)

    assert {row.version for row in rows} == versions
    assert total == len(versions)
    assert others == []


async def test_damage_concerns_every_file_of_the_content(pool: asyncpg.Pool) -> None:
    """Marked once, told once, healed together."""
    for version in ("1.0.0", "1.0.1"):
        await add(pool, version, content=b"same")
    async with pool.acquire() as connection:
        assert len(await file_store.mark_damaged(connection, sha256(b"same"))) == 2
        assert await file_store.mark_damaged(connection, sha256(b"same")) == []
        assert (await file_store.figures(connection, TENANT)).damaged_files == 2
        await file_store.heal(connection, sha256(b"same"))
        assert not await file_store.is_damaged(connection, sha256(b"same"))


async def test_deleted_file_leaves_its_bytes_for_a_while(pool: asyncpg.Pool) -> None:
    """They are noted as loose; while another file needs them they are not unneeded."""
    one, two = await add(pool, "1.0.0", content=b"same"), await add(pool, "1.0.1", content=b"same")
    async with pool.acquire() as connection, connection.transaction():
        await file_store.delete(connection, one)
    async with pool.acquire() as connection:
        assert await file_store.loose_due(connection, -1, 10) == [(TENANT, one.sha256)]
        assert await file_store.loose_due(connection, 60, 10) == []
        assert not await file_store.is_unneeded(connection, TENANT, one.sha256, -1)
        await file_store.delete(connection, two)
        assert await file_store.is_unneeded(connection, TENANT, one.sha256, -1)
        assert await file_store.of_name(connection, TENANT, "collector") == []
        assert (await file_store.figures(connection, TENANT)).packages == 0
