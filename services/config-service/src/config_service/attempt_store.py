"""The attempt ledger in the database: the only place with SQL about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from config_service.attempt import AttemptStatus, Cause
from config_service.target import Attempt, replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from config_service.paging import Page
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
FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::boolean[], $11::timestamptz[], $12::timestamptz[])
    AS n (tenant_id, uid, config_hash, name, version, status, error, cause, requested_by, confirmed, offered_at,
          applied_at)
RETURNING uid, attempt_id, attempt
"""

_MOVE = """
UPDATE attempt a SET status = n.status, error = n.error, confirmed = n.confirmed, offered_at = n.offered_at,
    applied_at = n.applied_at, updated_at = now()
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[], $7::timestamptz[])
    AS n (tenant_id, attempt_id, status, error, confirmed, offered_at, applied_at)
WHERE a.tenant_id = n.tenant_id AND a.attempt_id = n.attempt_id
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
    rows = await connection.fetch(
        _BEGIN,
        [tenant_id] * len(started),
        [uid for uid, _ in started],
        [attempt.config_hash for _, attempt in started],
        [attempt.name for _, attempt in started],
        [attempt.version for _, attempt in started],
        [attempt.status.value for _, attempt in started],
        [attempt.error for _, attempt in started],
        [attempt.cause.value for _, attempt in started],
        [attempt.requested_by for _, attempt in started],
        [attempt.confirmed for _, attempt in started],
        [attempt.offered_at for _, attempt in started],
        [attempt.applied_at for _, attempt in started],
    )
    by_uid = dict(started)
    return {row["uid"]: replace(by_uid[row["uid"]], id=row["attempt_id"], number=row["attempt"]) for row in rows}


async def move(connection: Connection, tenant_id: str, moved: Sequence[Attempt]) -> None:
    """Write where attempts stand now."""
    await connection.execute(
        _MOVE,
        [tenant_id] * len(moved),
        [attempt.id for attempt in moved],
        [attempt.status.value for attempt in moved],
        [attempt.error for attempt in moved],
        [attempt.confirmed for attempt in moved],
        [attempt.offered_at for attempt in moved],
        [attempt.applied_at for attempt in moved],
    )


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
    rows = await connection.fetch(
        f"SELECT * {_SELECTED} AND (cardinality($4::text[]) = 0 OR status = ANY ($4::text[])) {after} "
        f"ORDER BY attempt_id DESC LIMIT {page.limit + 1} OFFSET {page.offset}",
        *arguments,
    )
    total = sum(count for status, count in counts.items() if not statuses or status in statuses)
    return [_ledger_row(row) for row in rows], total, counts


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
