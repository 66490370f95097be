"""Agents and where they stand, written and read again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from package_service.offering import target_store
from package_service.offering.machine import Machine
from package_service.offering.standing import NEW, Standing, State
from package_service.offering.target import Target

if TYPE_CHECKING:
    import asyncpg

TENANT = "default"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
UID = b"u" * 16
STANDING = Standing(
    "collector",
    UUID(int=1),
    since=NOW,
    moved_at=NOW,
    version="2.0.0",
    file_id=UUID(int=2),
    package_hash=b"w" * 32,
    content_hash=b"s" * 32,
    listed_file_id=UUID(int=3),
    state=State.DOWNLOADING,
    percent=12.5,
    error="slow",
    failed_hashes=(b"a" * 32, b"b" * 32),
    requested_by="eve",
)
TARGET = Target(
    TENANT,
    UID,
    epoch=7,
    gateway_id="gw",
    connected=True,
    capabilities=1 << 63 | 24,
    labels={"a": "b"},
    stamped_labels={"group": "web"},
    withheld=True,
    fences={"health": (7, 1 << 33)},
    machine=Machine("linux", "arm64"),
    healthy=False,
    desired_hash=b"d" * 32,
    held="why",
    offered_hash=b"o" * 32,
    content_hash=b"c" * 32,
    offer_count=3,
    retry_at=NOW,
    delivered_epoch=7,
    waiting_since=NOW,
    probed=True,
    timeouts=2,
    reported_hash=b"r" * 32,
    reported_error="no",
    reported={"collector": ("1.0.0", "ab")},
    dirty=True,
    due_at=NOW,
    failed={"plugin": (b"e" * 32, b"f" * 32)},
    packages={"collector": STANDING},
)


async def save(pool: asyncpg.Pool, *after: Target, before: Target | None = None) -> list[Target]:
    """Write agents."""
    known = {before.uid: before} if before is not None else {}
    async with pool.acquire() as connection, connection.transaction():
        return await target_store.save(connection, TENANT, known, after)


async def load(pool: asyncpg.Pool, uid: bytes = UID) -> Target | None:
    """Read an agent."""
    return (await target_store.load(pool, TENANT, [uid])).get(uid)


async def test_everything_written_is_read_again(pool: asyncpg.Pool) -> None:
    """Every field of an agent and of where it stands; nobody else's."""
    await save(pool, TARGET)

    assert await load(pool) == TARGET
    assert await target_store.load(pool, "other", [UID]) == {}


async def test_changes_are_written_and_nothing_else(pool: asyncpg.Pool) -> None:
    """Fields, packages that come and go; what is as it was is not touched."""
    await save(pool, TARGET)
    stamp = await pool.fetchval("SELECT updated_at FROM package_target")
    await save(pool, TARGET, before=TARGET)
    assert await pool.fetchval("SELECT updated_at FROM package_target") == stamp
    plugin = replace(STANDING, package="plugin", state=State.PENDING, percent=0.0)
    moved = replace(TARGET, healthy=None, retry_at=None, packages={"plugin": plugin})
    await save(pool, moved, before=TARGET)

    assert await load(pool) == moved


async def test_many_agents_in_one_statement(pool: asyncpg.Pool) -> None:
    """New ones and known ones together."""
    agents = [replace(TARGET, uid=number.to_bytes(16, "big")) for number in range(500)]
    await save(pool, *agents)
    known = {target.uid: target for target in agents}
    moved = [replace(target, epoch=8) for target in agents]
    async with pool.acquire() as connection, connection.transaction():
        await target_store.save(connection, TENANT, known, [*moved, TARGET])

    found = await target_store.load(pool, TENANT, [*known, UID])
    assert len(found) == 501
    assert {target.epoch for uid, target in found.items() if uid != UID} == {8}


async def test_tries_are_begun_moved_and_superseded(pool: asyncpg.Pool) -> None:
    """Numbered by what is tried; one that is ended by another wish says so."""
    (first,) = await save(pool, replace(TARGET, packages={"collector": replace(STANDING, attempt_id=NEW)}))
    standing = first.packages["collector"]
    assert standing.attempt_id
    assert standing.requested_by == ""
    failed = replace(first, packages={"collector": replace(standing, state=State.FAILED, error="no")})
    await save(pool, failed, before=first)
    (again,) = await save(
        pool,
        replace(failed, packages={"collector": replace(standing, state=State.OFFERED, attempt_id=NEW)}),
        before=failed,
    )
    await save(pool, replace(again, packages={}), before=again)

    rows = await pool.fetch("SELECT attempt, state, error, requested_by FROM package_attempt ORDER BY attempt_id")
    assert [tuple(row) for row in rows] == [(1, "failed", "no", "eve"), (2, "superseded", "", "")]


async def test_due_agents_are_found_in_order(pool: asyncpg.Pool) -> None:
    """Longest waiting first; those of a later time not at all."""
    later = replace(TARGET, uid=b"l" * 16, due_at=datetime(2199, 1, 1, tzinfo=UTC))
    never = replace(TARGET, uid=b"n" * 16, due_at=None)
    early = replace(TARGET, uid=b"e" * 16, due_at=datetime(2020, 1, 1, tzinfo=UTC))
    await save(pool, TARGET, later, never, early)

    assert await target_store.due(pool, 10) == {TENANT: [b"e" * 16, UID]}
    async with pool.acquire() as connection, connection.transaction():
        assert set(await target_store.load_due(connection, TENANT, [UID, later.uid, never.uid])) == {UID}


async def test_forgotten_unless_it_came_back(pool: asyncpg.Pool) -> None:
    """Together with where it stands."""
    await save(pool, TARGET)
    async with pool.acquire() as connection:
        await target_store.forget(connection, TENANT, UID, 6)
        assert await load(pool) == TARGET
        await target_store.forget(connection, TENANT, UID, 7)

    assert await load(pool) is None
    assert await pool.fetchval("SELECT count(*) FROM agent_package") == 0
