"""Configurations and their versions in the database: the only place with SQL about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from config_service.document import Component, Document, Platform
from config_service.selector import Candidate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from servicekit.paging import Page
    from servicekit.postgres import Connection


@dataclass(frozen=True)
class Version:
    """One version of a configuration, as stored."""

    tenant_id: str
    name: str
    version: int
    version_id: int
    document: Document
    config_hash: bytes
    author: str
    comment: str
    rolled_back_to: int
    created_at: datetime
    """When the configuration was made."""

    updated_at: datetime
    """When this version was made."""

    last_applied_at: datetime | None


_COLUMNS = """
v.tenant_id, v.name, v.version, v.version_id, v.display_name, v.description, v.content_type, {body} AS raw_config,
v.config_hash, v.selector, v.priority, v.platform, v.author, v.comment, v.rolled_back_to,
c.created_at, v.created_at AS updated_at,
greatest(c.last_applied_at, (
    SELECT a.applied_at FROM attempt a WHERE a.tenant_id = v.tenant_id AND a.name = v.name AND a.applied_at IS NOT NULL
    ORDER BY a.applied_at DESC LIMIT 1
)) AS last_applied_at
"""
_BODY = _COLUMNS.format(body="v.raw_config")
_NO_BODY = _COLUMNS.format(body="''")

_CURRENT = f"""
SELECT {_BODY} FROM configuration c
JOIN configuration_version v ON v.tenant_id = c.tenant_id AND v.name = c.name AND v.version = c.version
WHERE c.tenant_id = $1 AND c.name = $2 AND c.deleted_at IS NULL
"""  # noqa: S608 - constants only

_ONE = f"""
SELECT {_BODY} FROM configuration c
JOIN configuration_version v ON v.tenant_id = c.tenant_id AND v.name = c.name
WHERE c.tenant_id = $1 AND c.name = $2 AND c.deleted_at IS NULL AND v.version = $3
"""  # noqa: S608 - constants only

_LOCK = "SELECT version, deleted_at FROM configuration WHERE tenant_id = $1 AND name = $2 FOR UPDATE"

_POINT = """
INSERT INTO configuration (tenant_id, name, version) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, name) DO UPDATE SET version = excluded.version, deleted_at = NULL,
    created_at = CASE WHEN configuration.deleted_at IS NULL THEN configuration.created_at ELSE now() END
"""

_ADD = """
INSERT INTO configuration_version (tenant_id, name, version, display_name, description, content_type, raw_config,
    config_hash, selector, priority, platform, author, comment, rolled_back_to)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""

_DELETE = "UPDATE configuration SET deleted_at = now() WHERE tenant_id = $1 AND name = $2"
_UNASSIGN_ALL = "DELETE FROM assignment WHERE tenant_id = $1 AND name = $2 RETURNING uid"

_CANDIDATES = """
SELECT v.name, v.version, v.config_hash, v.selector, v.priority FROM configuration c
JOIN configuration_version v ON v.tenant_id = c.tenant_id AND v.name = c.name AND v.version = c.version
WHERE c.tenant_id = $1 AND c.deleted_at IS NULL
"""

_CONTENT = """
SELECT content_type, raw_config FROM configuration_version WHERE tenant_id = $1 AND config_hash = $2 LIMIT 1
"""

_WHERE_LIST = """
FROM configuration c
JOIN configuration_version v ON v.tenant_id = c.tenant_id AND v.name = c.name AND v.version = c.version
WHERE c.tenant_id = $1 AND c.deleted_at IS NULL
  AND ($2 = '' OR strpos(lower(v.name), lower($2)) > 0 OR strpos(lower(v.display_name), lower($2)) > 0)
  AND (cardinality($3::text[]) = 0 OR v.content_type = ANY ($3::text[]))
"""

_SORTS = {
    "name": ("v.name", "text"),
    "created_at": ("c.created_at", "timestamptz"),
    "updated_at": ("v.created_at", "timestamptz"),
    "priority": ("v.priority", "integer"),
}
SORTS = tuple(_SORTS)

_COUNT_ALL = "SELECT count(*) FROM configuration WHERE deleted_at IS NULL"


async def current(connection: Connection, tenant_id: str, name: str) -> Version | None:
    """Return the current version; None when there is no such configuration."""
    row = await connection.fetchrow(_CURRENT, tenant_id, name)
    return _version(row) if row else None


async def one(connection: Connection, tenant_id: str, name: str, version: int) -> Version | None:
    """Return one version, current or not; None when the configuration never had it."""
    row = await connection.fetchrow(_ONE, tenant_id, name, version)
    return _version(row) if row else None


async def lock(connection: Connection, tenant_id: str, name: str) -> tuple[int, bool]:
    """
    Lock a name against other writers until the transaction ends.

    Returns:
        The last version the name ever had (0 = never used) and whether it exists now.
    """
    row = await connection.fetchrow(_LOCK, tenant_id, name)
    return (row["version"], row["deleted_at"] is None) if row else (0, False)


async def add_version(
    connection: Connection,
    tenant_id: str,
    name: str,
    version: int,
    document: Document,
    *,
    author: str,
    comment: str,
    rolled_back_to: int = 0,
) -> None:
    """Write a version and make it the current one."""
    await connection.execute(_POINT, tenant_id, name, version)
    await connection.execute(
        _ADD,
        tenant_id,
        name,
        version,
        document.display_name,
        document.description,
        document.content_type,
        document.raw_config,
        document.config_hash,
        dict(document.selector),
        document.priority,
        _platform_json(document.platform),
        author,
        comment,
        rolled_back_to,
    )


async def delete(connection: Connection, tenant_id: str, name: str) -> None:
    """Take a configuration out of use, and every assignment to it; versions and attempts stay."""
    await connection.execute(_DELETE, tenant_id, name)
    await connection.execute(_UNASSIGN_ALL, tenant_id, name)


async def candidates(connection: Connection, tenant_id: str) -> list[Candidate]:
    """List what matching needs of every current configuration."""
    rows = await connection.fetch(_CANDIDATES, tenant_id)
    return [
        Candidate(row["name"], row["version"], row["config_hash"], row["selector"], row["priority"]) for row in rows
    ]


async def content(connection: Connection | asyncpg.Pool, tenant_id: str, config_hash: bytes) -> tuple[str, str] | None:
    """Return (content type, body) of a content by its hash, from whichever version holds it."""
    row = await connection.fetchrow(_CONTENT, tenant_id, config_hash)
    return (row["content_type"], row["raw_config"]) if row else None


async def list_current(
    connection: Connection | asyncpg.Pool,
    tenant_id: str,
    page: Page,
    *,
    search: str = "",
    content_types: Sequence[str] = (),
    sort: str = "name",
    descending: bool = False,
    without_body: bool = False,
) -> tuple[list[Version], int]:
    """
    List current versions, one row more than the page when there are more.

    Returns:
        The versions in order, and how many match on all pages.
    """
    column, kind = _SORTS[sort]
    direction, compare = ("DESC", "<") if descending else ("ASC", ">")
    arguments: list[object] = [tenant_id, search, list(content_types)]
    total: int = await connection.fetchval(f"SELECT count(*) {_WHERE_LIST}", *arguments)
    after = ""
    if page.after:
        after = f"AND ({column}, v.name) {compare} ($4::text::{kind}, $5)"
        arguments.extend(page.after)
    statement = f"""
        SELECT {_NO_BODY if without_body else _BODY} {_WHERE_LIST} {after}
        ORDER BY {column} {direction}, v.name {direction} LIMIT {page.limit + 1} OFFSET {page.offset}
    """
    return [_version(row) for row in await connection.fetch(statement, *arguments)], total


async def list_versions(
    connection: Connection | asyncpg.Pool, tenant_id: str, name: str, page: Page
) -> tuple[list[Version], int]:
    """List versions, newest first, one row more than the page when there are more; and how many there are."""
    total: int = await connection.fetchval(
        "SELECT count(*) FROM configuration_version WHERE tenant_id = $1 AND name = $2", tenant_id, name
    )
    arguments: list[object] = [tenant_id, name]
    after = ""
    if page.after:
        after = "AND v.version < $3::text::bigint"
        arguments.append(page.after[0])
    statement = f"""
        SELECT {_BODY} FROM configuration c
        JOIN configuration_version v ON v.tenant_id = c.tenant_id AND v.name = c.name
        WHERE c.tenant_id = $1 AND c.name = $2 AND c.deleted_at IS NULL {after}
        ORDER BY v.version DESC LIMIT {page.limit + 1} OFFSET {page.offset}
    """  # noqa: S608 - constants and checked numbers
    return [_version(row) for row in await connection.fetch(statement, *arguments)], total


async def count_all(connection: Connection | asyncpg.Pool) -> int:
    """Count the configurations of all tenants."""
    count: int = await connection.fetchval(_COUNT_ALL)
    return count


def _version(row: asyncpg.Record) -> Version:
    document = Document(
        display_name=row["display_name"],
        description=row["description"],
        content_type=row["content_type"],
        raw_config=row["raw_config"],
        selector=row["selector"],
        priority=row["priority"],
        platform=_platform_of(row["platform"]),
    )
    return Version(
        tenant_id=row["tenant_id"],
        name=row["name"],
        version=row["version"],
        version_id=row["version_id"],
        document=document,
        config_hash=row["config_hash"],
        author=row["author"],
        comment=row["comment"],
        rolled_back_to=row["rolled_back_to"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        last_applied_at=row["last_applied_at"],
    )


def _platform_json(platform: Platform) -> dict[str, object]:
    return {
        group: [
            {"name": item.name, "type": item.type, "parameters": dict(item.parameters)}
            for item in getattr(platform, group)
        ]
        for group in ("sources", "processors", "destinations")
    }


def _platform_of(value: Mapping[str, Sequence[Mapping[str, object]]]) -> Platform:
    groups = {
        group: tuple(
            Component(str(item["name"]), str(item["type"]), item["parameters"])  # type: ignore[arg-type] # as _platform_json wrote it
            for item in value.get(group, ())
        )
        for group in ("sources", "processors", "destinations")
    }
    return Platform(**groups)
