"""
Package assignments in the database: the only place that writes them.

Whoever changes one calls matcher.begin_change() first, before any row of an agent is locked: whoever matches agents
holds that lock while it waits for such rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.errors import AssignmentExists
from package_service.offering import target_marks
from package_service.offering.assignment import Assignment, Terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from servicekit.paging import Page
    from servicekit.postgres import Connection

_SELECT = """
SELECT a.*, ARRAY(SELECT n.instance_uid FROM package_assignment_agent n
                  WHERE n.tenant_id = a.tenant_id AND n.assignment_id = a.assignment_id
                  ORDER BY n.instance_uid) AS agents
FROM package_assignment a
"""
_ONE = f"{_SELECT} WHERE a.tenant_id = $1 AND a.assignment_id = $2"
# Not FOR UPDATE: whoever only needs it to stay (keep) and whoever changes it do not wait for each other.
_LOCK = "SELECT FROM package_assignment WHERE tenant_id = $1 AND assignment_id = $2 FOR NO KEY UPDATE"
_KEEP = "SELECT FROM package_assignment WHERE tenant_id = $1 AND assignment_id = $2 FOR KEY SHARE"
_COUNT = "SELECT count(*) FROM package_assignment WHERE tenant_id = $1"
_ADD = """
INSERT INTO package_assignment (tenant_id, name, package, channel, version, selector, groups, priority, enabled,
    created_by, updated_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
ON CONFLICT (tenant_id, name) DO NOTHING RETURNING assignment_id
"""
_CHANGE = """
UPDATE package_assignment SET package = $3, channel = $4, version = $5, selector = $6, groups = $7, priority = $8,
    enabled = $9, updated_by = $10, updated_at = now(), revision = revision + 1
WHERE tenant_id = $1 AND assignment_id = $2
"""
_DELETE = "DELETE FROM package_assignment WHERE tenant_id = $1 AND assignment_id = $2"
_UNLIST = "DELETE FROM package_assignment_agent WHERE tenant_id = $1 AND assignment_id = $2"
_LIST = """
INSERT INTO package_assignment_agent (tenant_id, assignment_id, instance_uid) SELECT $1, $2, unnest($3::bytea[])
"""
_WHERE = """
WHERE a.tenant_id = $1 AND ($2 = '' OR a.package = $2) AND ($3 = '' OR strpos(a.name, lower($3)) > 0)
  AND ($4::boolean IS NULL OR a.enabled = $4)
"""
_COUNT_LISTED = f"SELECT count(*) FROM package_assignment a {_WHERE}"  # noqa: S608 - constants only
_STATES = """
SELECT assignment_id, state, count(*) AS agents FROM agent_package
WHERE tenant_id = $1 AND assignment_id = ANY ($2::uuid[]) GROUP BY assignment_id, state
"""


async def get(connection: Connection | asyncpg.Pool, tenant_id: str, assignment_id: UUID) -> Assignment | None:
    """Return an assignment; None when there is none."""
    row = await connection.fetchrow(_ONE, tenant_id, assignment_id)
    return _assignment(row) if row is not None else None


async def lock(connection: Connection, tenant_id: str, assignment_id: UUID) -> Assignment | None:
    """Return an assignment and keep others from changing it until the transaction ends."""
    await connection.execute(_LOCK, tenant_id, assignment_id)
    return await get(connection, tenant_id, assignment_id)


async def keep(connection: Connection, tenant_id: str, assignment_id: UUID) -> Assignment | None:
    """Return an assignment and keep others from removing it until the transaction ends."""
    await connection.execute(_KEEP, tenant_id, assignment_id)
    return await get(connection, tenant_id, assignment_id)


async def count(connection: Connection, tenant_id: str) -> int:
    """Count the assignments of a tenant."""
    found: int = await connection.fetchval(_COUNT, tenant_id)
    return found


async def add(connection: Connection, tenant_id: str, name: str, terms: Terms, author: str) -> UUID:
    """
    Write a new assignment and have everybody it may mean looked at.

    Raises:
        AssignmentExists: The name is taken.
    """
    made: UUID | None = await connection.fetchval(_ADD, tenant_id, name, *_values(terms), author)
    if made is None:
        raise AssignmentExists(name)
    await connection.execute(_LIST, tenant_id, made, list(terms.agents))
    await _mark(connection, tenant_id, made, terms)
    return made


async def change(connection: Connection, before: Assignment, terms: Terms, author: str) -> None:
    """Write other terms and have everybody looked at whom it meant or may mean now."""
    key = before.tenant_id, before.assignment_id
    await connection.execute(_CHANGE, *key, *_values(terms), author)
    if terms.agents != before.terms.agents:
        await connection.execute(_UNLIST, *key)
        await connection.execute(_LIST, *key, list(terms.agents))
    await _mark(connection, *key, terms)


async def delete(connection: Connection, before: Assignment) -> None:
    """Remove an assignment and have everybody it meant looked at."""
    await _mark(connection, before.tenant_id, before.assignment_id, Terms())
    await connection.execute(_DELETE, before.tenant_id, before.assignment_id)


async def list_rows(
    connection: Connection | asyncpg.Pool,
    tenant_id: str,
    page: Page,
    *,
    package: str = "",
    search: str = "",
    enabled: bool | None = None,
) -> tuple[list[Assignment], int]:
    """List assignments by name, one more than the page when there are more; and how many match."""
    arguments: list[object] = [tenant_id, package, search, enabled]
    total: int = await connection.fetchval(_COUNT_LISTED, *arguments)
    after = ""
    if page.after:
        after = "AND a.name > $5"
        arguments.append(page.after[0])
    rows = await connection.fetch(
        f"{_SELECT} {_WHERE} {after} ORDER BY a.name LIMIT {page.limit + 1} OFFSET {page.offset}", *arguments
    )
    return [_assignment(row) for row in rows], total


async def states(
    connection: Connection | asyncpg.Pool, tenant_id: str, assignment_ids: Sequence[UUID]
) -> dict[UUID, Mapping[str, int]]:
    """Count the agents each assignment decides for, by state."""
    found: dict[UUID, dict[str, int]] = {}
    for row in await connection.fetch(_STATES, tenant_id, list(assignment_ids)):
        found.setdefault(row["assignment_id"], {})[row["state"]] = row["agents"]
    return dict(found)


async def _mark(connection: Connection, tenant_id: str, assignment_id: UUID, terms: Terms) -> None:
    await target_marks.mark_meant(
        connection,
        tenant_id,
        assignment_id,
        selector=terms.selector if terms.enabled else {},
        groups=terms.groups if terms.enabled else (),
        uids=terms.agents if terms.enabled else (),
    )


def _values(terms: Terms) -> tuple[object, ...]:
    return (
        terms.package,
        terms.channel,
        terms.version,
        dict(terms.selector),
        list(terms.groups),
        terms.priority,
        terms.enabled,
    )


def _assignment(row: asyncpg.Record) -> Assignment:
    terms = Terms(
        row["package"],
        row["channel"],
        row["version"],
        row["selector"],
        tuple(row["groups"]),
        tuple(row["agents"]),
        row["priority"],
        row["enabled"],
    )
    return Assignment(
        row["tenant_id"],
        row["assignment_id"],
        row["name"],
        terms,
        row["revision"],
        row["created_by"],
        row["created_at"],
        row["updated_by"],
        row["updated_at"],
    )
