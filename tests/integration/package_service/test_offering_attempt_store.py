"""The ledger of tries: listed, filtered, page by page, pruned."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from fleet.api.v1 import page_pb2
from package_service.offering import attempt_store
from package_service.offering.standing import NEW, Standing, State
from servicekit.paging import cut, page_of

if TYPE_CHECKING:
    import asyncpg

TENANT = "default"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
STANDING = Standing(
    "collector",
    UUID(int=1),
    since=NOW,
    moved_at=NOW,
    version="2.0.0",
    package_hash=b"w" * 32,
    state=State.OFFERED,
    attempt_id=NEW,
    requested_by="eve",
)


async def begin(pool: asyncpg.Pool, uid: bytes, standing: Standing = STANDING) -> int:
    """Write a try."""
    async with pool.acquire() as connection:
        made = await attempt_store.begin(connection, TENANT, [(uid, standing)])
    return made[uid, standing.package]


async def test_tries_are_listed_newest_first(pool: asyncpg.Pool) -> None:
    """Page by page, every one once; filters by agent, package and state."""
    one, two = b"1" * 16, b"2" * 16
    ids = [await begin(pool, one), await begin(pool, one), await begin(pool, two)]
    ids.append(await begin(pool, two, replace(STANDING, package="plugin")))
    async with pool.acquire() as connection:
        await attempt_store.move(connection, TENANT, {ids[0]: ("failed", "no")})
        await attempt_store.move(connection, TENANT, {})
    seen: list[attempt_store.Attempt] = []
    cursor = ""
    while True:
        page = page_of(page_pb2.PageRequest(limit=3, cursor=cursor))
        rows, total = await attempt_store.list_rows(pool, TENANT, page)
        shown, cursor = cut(rows, page, lambda row: (str(row.attempt_id),))
        seen += shown
        if not cursor:
            break

    assert total == 4
    assert [row.attempt_id for row in seen] == ids[::-1]
    assert [row.number for row in seen] == [1, 1, 2, 1]
    assert (seen[-1].state, seen[-1].error, seen[-1].requested_by) == ("failed", "no", "eve")
    whole = page_of(page_pb2.PageRequest(limit=10))
    assert (await attempt_store.list_rows(pool, TENANT, whole, uid=one))[1] == 2
    assert (await attempt_store.list_rows(pool, TENANT, whole, package="plugin"))[1] == 1
    assert (await attempt_store.list_rows(pool, TENANT, whole, states=["failed"]))[1] == 1
    assert (await attempt_store.list_rows(pool, "other", whole))[1] == 0


async def test_old_tries_are_forgotten(pool: asyncpg.Pool) -> None:
    """Those nobody is on; young ones stay."""
    await begin(pool, b"1" * 16)
    assert await attempt_store.prune(pool, 1) == 0
    await pool.execute("UPDATE package_attempt SET created_at = now() - interval '2 days'")

    assert await attempt_store.prune(pool, 1) == 1
