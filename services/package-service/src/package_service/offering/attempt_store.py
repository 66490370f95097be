"""The ledger of tries in the database: the only place with SQL about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from package_service.offering.standing import UNDER_WAY
from servicekit import bulk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from package_service.offering.standing import Standing
    from servicekit.paging import Page
    from servicekit.postgres import Connection

OPEN = UNDER_WAY
"""States that still expect something to happen."""

_BEGIN = """
INSERT INTO package_attempt (tenant_id, instance_uid, package, version, package_hash, assignment_id, attempt, state,
    error, requested_by)
SELECT $1, n.instance_uid, n.package, n.version, n.package_hash, n.assignment_id,
    1 + coalesce((SELECT max(a.attempt) FROM package_attempt a
                  WHERE a.tenant_id = $1 AND a.instance_uid = n.instance_uid AND a.package = n.package
                    AND a.package_hash = n.package_hash), 0),
    n.state, n.error, n.requested_by
FROM unnest($2::bytea[], $3::text[], $4::text[], $5::bytea[], $6::uuid[], $7::text[], $8::text[], $9::text[])
    AS n (instance_uid, package, version, package_hash, assignment_id, state, error, requested_by)
RETURNING instance_uid, package, attempt_id
"""

_MOVE = """
UPDATE package_attempt a SET state = n.state, error = n.error, updated_at = now() FROM {rows} AS n
WHERE a.tenant_id = n.tenant_id AND a.attempt_id = n.attempt_id AND a.attempt_id = ANY ($1::bigint[])
"""

_SELECTED = """
FROM package_attempt WHERE tenant_id = $1 AND ($2::bytea IS NULL OR instance_uid = $2) AND ($3 = '' OR package = $3)
  AND (cardinality($4::text[]) = 0 OR state = ANY ($4::text[]))
"""

_PRUNE = """
DELETE FROM package_attempt a WHERE (a.tenant_id, a.attempt_id) IN (
    SELECT o.tenant_id, o.attempt_id FROM package_attempt o
    WHERE o.created_at < now() - make_interval(days => $1)
      AND NOT EXISTS (SELECT FROM agent_package p
                      WHERE p.tenant_id = o.tenant_id AND p.instance_uid = o.instance_uid
                        AND p.attempt_id = o.attempt_id)
    LIMIT 5000)
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row as people see it."""

    attempt_id: int
    uid: bytes
    package: str
    version: str
    package_hash: bytes
    assignment_id: UUID
    number: int
    state: str
    error: str
    requested_by: str
    created_at: datetime
    updated_at: datetime


async def begin(
    connection: Connection, tenant_id: str, begun: Sequence[tuple[bytes, Standing]]
) -> dict[tuple[bytes, str], int]:
    """Write new tries and return their ids by agent and package."""
    if not begun:
        return {}
    items = [item for _, item in begun]
    rows = await connection.fetch(
        _BEGIN,
        tenant_id,
        [uid for uid, _ in begun],
        [item.package for item in items],
        [item.version for item in items],
        [item.package_hash for item in items],
        [item.assignment_id for item in items],
        [item.state.value for item in items],
        [item.error for item in items],
        [item.requested_by for item in items],
    )
    return {(row["instance_uid"], row["package"]): row["attempt_id"] for row in rows}


async def move(connection: Connection, tenant_id: str, moved: Mapping[int, tuple[str, str]]) -> None:
    """Write where tries stand now: id to state and error."""
    if not moved:
        return
    table = bulk.rows(
        "attempt_id",
        {
            "attempt_id": bulk.Column("bigint", list(moved)),
            "tenant_id": bulk.Column("text", [tenant_id] * len(moved)),
            "state": bulk.Column("text", [state for state, _ in moved.values()]),
            "error": bulk.Column("text", [error for _, error in moved.values()]),
        },
    )
    await connection.execute(_MOVE.format(rows=table.sql), *table.arguments)


async def list_rows(
    connection: Connection | asyncpg.Pool,
    tenant_id: str,
    page: Page,
    *,
    uid: bytes | None = None,
    package: str = "",
    states: Sequence[str] = (),
) -> tuple[list[Attempt], int]:
    """List tries, newest first, one row more than the page when there are more; and how many match."""
    arguments: list[object] = [tenant_id, uid, package, list(states)]
    total: int = await connection.fetchval(f"SELECT count(*) {_SELECTED}", *arguments)
    after = ""
    if page.after:
        after = "AND attempt_id < $5::text::bigint"
        arguments.append(page.after[0])
    rows = await connection.fetch(
        f"SELECT * {_SELECTED} {after} ORDER BY attempt_id DESC LIMIT {page.limit + 1} OFFSET {page.offset}",
        *arguments,
    )
    return [_attempt(row) for row in rows], total


async def prune(connection: Connection | asyncpg.Pool, retention_days: int) -> int:
    """Forget up to 5,000 old tries that no agent is on; return how many."""
    return int((await connection.execute(_PRUNE, retention_days)).rsplit(" ", 1)[1])


def _attempt(row: asyncpg.Record) -> Attempt:
    return Attempt(
        row["attempt_id"],
        row["instance_uid"],
        row["package"],
        row["version"],
        row["package_hash"],
        row["assignment_id"],
        row["attempt"],
        row["state"],
        row["error"],
        row["requested_by"],
        row["created_at"],
        row["updated_at"],
    )
