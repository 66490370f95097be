"""The attempt ledger in the database: the only place with SQL about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from config_service.attempt import AttemptStatus, Cause
from config_service.target import Attempt, replace
from servicekit.bulk import Column, rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from servicekit.paging import Page
    from servicekit.postgres import Connection


@dataclass(frozen=True)
class LedgerRow:
    """One attempt as people see it."""

    uid: bytes
    attempt: Attempt
    created_at: datetime
    updated_at: datetime


_BEGIN = """
INSERT INTO attempt (tenant_id, uid, config_hash, attempt, name, version, status, error, cause, requested_by,
    confirmed, offered_at, applied_at)
SELECT n.tenant_id, n.uid, n.config_hash,
    1 + coalesce((SELECT max(a.attempt) FROM attempt a
                  WHERE a.tenant_id = n.tenant_id AND a.uid = n.uid AND a.config_hash = n.config_hash), 0),
    n.name, n.version, n.status, n.error, n.cause, n.requested_by, n.confirmed, n.offered_at, n.applied_at
FROM {rows} AS n
RETURNING uid, attempt_id, attempt
"""

# The ids are said twice so that the index leads to them, however many there are.
_MOVE = """
UPDATE attempt a SET status = n.status, error = n.error, confirmed = n.confirmed, offered_at = n.offered_at,
    applied_at = n.applied_at, updated_at = now()
FROM {rows} AS n
WHERE a.tenant_id = n.tenant_id AND a.attempt_id = n.attempt_id AND a.attempt_id = ANY ($1::bigint[])
"""

_SELECTED = """
FROM attempt WHERE tenant_id = $1 AND ($2 = '' OR name = $2) AND ($3::bytea IS NULL OR uid = $3)
"""

_PRUNE = """
WITH old AS (
    DELETE FROM attempt a WHERE (a.tenant_id, a.attempt_id) IN (
        SELECT o.tenant_id, o.attempt_id FROM attempt o
        WHERE o.created_at < now() - make_interval(days => $1)
          AND NOT EXISTS (SELECT 1 FROM agent_target t
                          WHERE t.tenant_id = o.tenant_id AND t.uid = o.uid AND t.attempt_id = o.attempt_id)
        LIMIT 5000)
    RETURNING a.tenant_id, a.name, a.applied_at
), kept AS (
    UPDATE configuration c SET last_applied_at = greatest(c.last_applied_at, newest.applied_at)
    FROM (SELECT tenant_id, name, max(applied_at) AS applied_at FROM old GROUP BY tenant_id, name) newest
    WHERE c.tenant_id = newest.tenant_id AND c.name = newest.name AND newest.applied_at IS NOT NULL
)
SELECT count(*) FROM old
"""


async def begin(
    connection: Connection, tenant_id: str, started: Sequence[tuple[bytes, Attempt]]
) -> dict[bytes, Attempt]:
    """Write new attempts, at most one per agent, and return them by agent with their id and number."""
    attempts = [attempt for _, attempt in started]
    table = rows(
        "uid",
        {
            "uid": Column("bytea", [uid for uid, _ in started]),
            "tenant_id": Column("text", [tenant_id] * len(started)),
            "config_hash": Column("bytea", [attempt.config_hash for attempt in attempts]),
            "name": Column("text", [attempt.name for attempt in attempts]),
            "version": Column("bigint", [attempt.version for attempt in attempts]),
            "status": Column("text", [attempt.status.value for attempt in attempts]),
            "error": Column("text", [attempt.error for attempt in attempts]),
            "cause": Column("text", [attempt.cause.value for attempt in attempts]),
            "requested_by": Column("text", [attempt.requested_by for attempt in attempts]),
            "confirmed": Column("boolean", [attempt.confirmed for attempt in attempts]),
            "offered_at": Column("timestamptz", [attempt.offered_at for attempt in attempts]),
            "applied_at": Column("timestamptz", [attempt.applied_at for attempt in attempts]),
        },
    )
    written = await connection.fetch(_BEGIN.format(rows=table.sql), *table.arguments)
    by_uid = dict(started)
    return {row["uid"]: replace(by_uid[row["uid"]], id=row["attempt_id"], number=row["attempt"]) for row in written}


async def move(connection: Connection, tenant_id: str, moved: Sequence[Attempt]) -> None:
    """Write where attempts stand now."""
    table = rows(
        "attempt_id",
        {
            "attempt_id": Column("bigint", [attempt.id for attempt in moved]),
            "tenant_id": Column("text", [tenant_id] * len(moved)),
            "status": Column("text", [attempt.status.value for attempt in moved]),
            "error": Column("text", [attempt.error for attempt in moved]),
            "confirmed": Column("boolean", [attempt.confirmed for attempt in moved]),
            "offered_at": Column("timestamptz", [attempt.offered_at for attempt in moved]),
            "applied_at": Column("timestamptz", [attempt.applied_at for attempt in moved]),
        },
    )
    await connection.execute(_MOVE.format(rows=table.sql), *table.arguments)


async def list_rows(
    connection: Connection | asyncpg.Pool,
    tenant_id: str,
    page: Page,
    *,
    name: str = "",
    uid: bytes | None = None,
    statuses: Sequence[str] = (),
) -> tuple[list[LedgerRow], int, dict[str, int]]:
    """
    List attempts, newest first, one row more than the page when there are more.

    Returns:
        The rows; how many match; and how many there are by status, whatever the status filter.
    """
    counts = {
        row["status"]: row["count"]
        for row in await connection.fetch(
            f"SELECT status, count(*) AS count {_SELECTED} GROUP BY status",
            tenant_id,
            name,
            uid,
        )
    }
    arguments: list[object] = [tenant_id, name, uid, list(statuses)]
    after = ""
    if page.after:
        after = "AND attempt_id < $5::text::bigint"
        arguments.append(page.after[0])
    found = await connection.fetch(
        f"SELECT * {_SELECTED} AND (cardinality($4::text[]) = 0 OR status = ANY ($4::text[])) {after} "
        f"ORDER BY attempt_id DESC LIMIT {page.limit + 1} OFFSET {page.offset}",
        *arguments,
    )
    total = sum(count for status, count in counts.items() if not statuses or status in statuses)
    return [_ledger_row(row) for row in found], total, counts


async def prune(connection: Connection | asyncpg.Pool, retention_days: int) -> int:
    """Forget up to 5,000 old attempts that no agent is on; a configuration keeps when it was last applied."""
    count: int = await connection.fetchval(_PRUNE, retention_days)
    return count


def _ledger_row(row: asyncpg.Record) -> LedgerRow:
    attempt = Attempt(
        config_hash=row["config_hash"],
        name=row["name"],
        version=row["version"],
        cause=Cause(row["cause"]),
        requested_by=row["requested_by"],
        status=AttemptStatus(row["status"]),
        error=row["error"],
        offered_at=row["offered_at"],
        applied_at=row["applied_at"],
        confirmed=row["confirmed"],
        id=row["attempt_id"],
        number=row["attempt"],
    )
    return LedgerRow(row["uid"], attempt, row["created_at"], row["updated_at"])
