from __future__ import annotations

from typing import TYPE_CHECKING

from config_service import configuration_store as store
from config_service.document import JSON, Component, Document, Platform
from servicekit.paging import Page

if TYPE_CHECKING:
    import asyncpg

TENANT = "default"
FULL = Document(
    "Shown",
    "Told",
    JSON,
    '{"a": 1}',
    {"env": "prod"},
    -7,
    Platform(processors=(Component("n", "t", {"x": [1, None]}),)),
)


async def write(pool: asyncpg.Pool, name: str, *documents: Document, tenant: str = TENANT) -> None:
    """Write versions one after another."""
    async with pool.acquire() as connection, connection.transaction():
        for document in documents:
            last, _ = await store.lock(connection, tenant, name)
            await store.add_version(connection, tenant, name, last + 1, document, author="ann", comment="c")


async def test_document_comes_back_whole(pool: asyncpg.Pool) -> None:
    """Equal to what was written, so that an edit that changes nothing is recognised."""
    await write(pool, "a", FULL)

    async with pool.acquire() as connection:
        found = await store.current(connection, TENANT, "a")

    assert found is not None
    assert found.document == FULL
    assert (found.version, found.author, found.comment, found.config_hash) == (1, "ann", "c", FULL.config_hash)


async def test_name_remembers_its_last_version_after_deletion(pool: asyncpg.Pool) -> None:
    """No number is given twice; the deleted one is invisible."""
    await write(pool, "a", FULL, Document(raw_config="b"))
    async with pool.acquire() as connection, connection.transaction():
        assert await store.lock(connection, TENANT, "a") == (2, True)
        await store.delete(connection, TENANT, "a")
        assert await store.lock(connection, TENANT, "a") == (2, False)
        assert await store.lock(connection, TENANT, "never") == (0, False)
        assert await store.current(connection, TENANT, "a") is None
        assert await store.one(connection, TENANT, "a", 1) is None
        assert await store.candidates(connection, TENANT) == []
    assert await store.list_current(pool, TENANT, Page(10)) == ([], 0)
    assert await store.count_all(pool) == 0


async def test_tenants_do_not_see_each_other(pool: asyncpg.Pool) -> None:
    """Same name, two tenants, two configurations."""
    await write(pool, "a", FULL, tenant="one")
    await write(pool, "a", Document(raw_config="b: 1"), tenant="two")

    async with pool.acquire() as connection:
        (candidate,) = await store.candidates(connection, "one")
        found = await store.current(connection, "two", "a")
    assert candidate.selector == {"env": "prod"}
    assert found is not None
    assert found.document.raw_config == "b: 1"
    assert await store.content(pool, "two", FULL.config_hash) is None
    assert await store.content(pool, "one", FULL.config_hash) == (JSON, '{"a": 1}')
