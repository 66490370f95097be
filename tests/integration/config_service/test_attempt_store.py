from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from config_service import attempt_store
from config_service.attempt import AttemptStatus, Cause
from config_service.target import Attempt
from servicekit.paging import Page

if TYPE_CHECKING:
    import asyncpg

TENANT = "default"
HASH = b"h" * 32


def attempt(name: str = "a") -> Attempt:
    """Make an attempt that is not stored yet."""
    return Attempt(HASH, name, 1, Cause.CHANGE, "ann")


async def test_attempts_of_one_content_on_one_agent_are_numbered(pool: asyncpg.Pool) -> None:
    """From 1, by agent and content."""
    one, two = b"1" * 16, b"2" * 16
    async with pool.acquire() as connection, connection.transaction():
        first = await attempt_store.begin(connection, TENANT, [(one, attempt()), (two, attempt())])
        second = await attempt_store.begin(connection, TENANT, [(one, attempt())])

    assert (first[one].number, first[two].number, second[one].number) == (1, 1, 2)
    assert second[one].id > first[one].id


async def test_row_moves_through_its_statuses(pool: asyncpg.Pool) -> None:
    """The same row, with its error and times; newest first in lists."""
    uid = b"1" * 16
    async with pool.acquire() as connection, connection.transaction():
        (stored,) = (await attempt_store.begin(connection, TENANT, [(uid, attempt())])).values()
        await attempt_store.move(connection, TENANT, [replace(stored, status=AttemptStatus.FAILED, error="no")])
        await attempt_store.begin(connection, TENANT, [(uid, attempt("b"))])

    rows, total, counts = await attempt_store.list_rows(pool, TENANT, Page(10), uid=uid)
    assert [(row.attempt.name, row.attempt.status, row.attempt.error) for row in rows] == [
        ("b", AttemptStatus.PENDING, ""),
        ("a", AttemptStatus.FAILED, "no"),
    ]
    assert (total, counts) == (2, {"pending": 1, "failed": 1})
    only_b, total, _ = await attempt_store.list_rows(pool, TENANT, Page(10), name="b")
    assert (len(only_b), total) == (1, 1)


async def test_tenants_do_not_see_each_other(pool: asyncpg.Pool) -> None:
    """The first column of every key."""
    async with pool.acquire() as connection, connection.transaction():
        await attempt_store.begin(connection, "one", [(b"1" * 16, attempt())])

    assert await attempt_store.list_rows(pool, "two", Page(10), name="a") == ([], 0, {})


async def test_old_attempts_are_pruned_and_their_last_application_kept(pool: asyncpg.Pool) -> None:
    """The ledger is bounded; when a configuration was last applied is not forgotten with it."""
    await pool.execute("INSERT INTO configuration (tenant_id, name, version) VALUES ($1, 'a', 1)", TENANT)
    async with pool.acquire() as connection, connection.transaction():
        await attempt_store.begin(connection, TENANT, [(b"1" * 16, attempt())])
    await pool.execute("UPDATE attempt SET created_at = now() - interval '91 days', applied_at = now()")

    assert await attempt_store.prune(pool, 90) == 1
    assert await attempt_store.prune(pool, 90) == 0
    assert await pool.fetchval("SELECT last_applied_at FROM configuration") is not None
