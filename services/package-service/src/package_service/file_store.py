"""Packages and their files in the database: the only place with SQL about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from package_service.package import label_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from package_service.package import Draft
    from servicekit.paging import Page
    from servicekit.postgres import Connection


@dataclass(frozen=True)
class File:
    """One published file."""

    tenant_id: str
    file_id: UUID
    name: str
    version: str
    platform: str
    arch: str
    type: str
    sha256: bytes
    size: int
    description: str
    active: bool
    created_by: str
    created_at: datetime
    updated_at: datetime
    downloads: int
    damaged_at: datetime | None

    @property
    def label(self) -> str:
        """What people call it: also the name of a downloaded file."""
        return label_of(self.name, self.version, self.platform, self.arch)


@dataclass(frozen=True)
class Filter:
    """Which files are wanted; empty fields match everything."""

    name: str = ""
    version: str = ""
    platform: str = ""
    arch: str = ""
    type: str = ""
    search: str = ""
    active: bool | None = None


@dataclass(frozen=True)
class Figures:
    """What a tenant has."""

    packages: int = 0
    files: int = 0
    active_files: int = 0
    stored_bytes: int = 0
    downloads: int = 0
    damaged_files: int = 0
    open_uploads: int = 0


_COLUMNS = """
f.tenant_id, f.file_id, f.name, f.version, f.platform, f.arch, p.type, f.sha256, f.size, f.description, f.active,
f.created_by, f.created_at, f.updated_at, f.downloads, f.damaged_at
"""
_FROM = "FROM package_file f JOIN package p ON p.tenant_id = f.tenant_id AND p.name = f.name"

_ONE = f"SELECT {_COLUMNS} {_FROM} WHERE f.tenant_id = $1 AND f.file_id = $2"
_BY_TUPLE = f"""
SELECT {_COLUMNS} {_FROM}
WHERE f.tenant_id = $1 AND f.name = $2 AND f.version = $3 AND f.platform = $4 AND f.arch = $5
"""
_OF_NAME = f"SELECT {_COLUMNS} {_FROM} WHERE f.tenant_id = $1 AND f.name = $2"

_ADD_PACKAGE = """
INSERT INTO package (tenant_id, name, type) VALUES ($1, $2, coalesce(nullif($3, ''), 'top_level'))
ON CONFLICT (tenant_id, name) DO NOTHING
"""
_TYPE = "SELECT type FROM package WHERE tenant_id = $1 AND name = $2 FOR SHARE"
_ADD = """
INSERT INTO package_file (tenant_id, name, version, platform, arch, sha256, size, description, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant_id, name, version, platform, arch) DO NOTHING RETURNING file_id
"""
_SET_ACTIVE = """
UPDATE package_file SET active = $3, updated_at = now()
WHERE tenant_id = $1 AND file_id = $2 AND active <> $3 RETURNING file_id
"""
_DELETE = "DELETE FROM package_file WHERE tenant_id = $1 AND file_id = $2"
_DELETE_EMPTY = """
DELETE FROM package p WHERE tenant_id = $1 AND name = $2
  AND NOT EXISTS (SELECT FROM package_file f WHERE f.tenant_id = p.tenant_id AND f.name = p.name)
"""
_COUNT_DOWNLOAD = "UPDATE package_file SET downloads = downloads + 1 WHERE tenant_id = $1 AND file_id = $2"
_COUNT_OF_NAME = "SELECT count(*) FROM package_file WHERE tenant_id = $1 AND name = $2"
_STORED = """
SELECT coalesce(sum(size), 0)::bigint FROM (SELECT DISTINCT sha256, size FROM package_file WHERE tenant_id = $1) AS one
"""
_HAS_CONTENT = "SELECT EXISTS (SELECT FROM package_file WHERE tenant_id = $1 AND sha256 = $2)"

_DAMAGE = f"""
WITH hit AS (
    UPDATE package_file SET damaged_at = now(), vetted_at = NULL, vetted_mark = ''
    WHERE sha256 = $1 AND damaged_at IS NULL RETURNING *
)
SELECT {_COLUMNS} FROM hit f JOIN package p ON p.tenant_id = f.tenant_id AND p.name = f.name
"""  # noqa: S608 - constants only
_DOUBT = """
UPDATE package_file p SET wanted_at = coalesce(p.wanted_at, now()), vetted_at = NULL, vetted_mark = '', vet_refusal = ''
FROM (SELECT tenant_id, file_id, vetted_at FROM package_file WHERE sha256 = $1 FOR UPDATE) AS before
WHERE p.tenant_id = before.tenant_id AND p.file_id = before.file_id AND p.damaged_at IS NULL
  AND (p.wanted_at IS NULL OR p.vetted_at IS NOT NULL OR p.vet_refusal <> '')
RETURNING p.tenant_id, p.name, before.vetted_at IS NOT NULL AS was_vetted
"""
_IS_DAMAGED = "SELECT EXISTS (SELECT FROM package_file WHERE sha256 = $1 AND damaged_at IS NOT NULL)"
_HEAL = """
UPDATE package_file SET damaged_at = NULL, vetted_at = NULL, vetted_mark = '', vet_refusal = '' WHERE sha256 = $1
"""

_LOCK_BLOB = "SELECT pg_advisory_xact_lock(hashtext(current_schema()), hashtext('blob ' || $1))"
_LOOSE = """
INSERT INTO loose_blob (tenant_id, sha256) VALUES ($1, $2)
ON CONFLICT (tenant_id, sha256) DO UPDATE SET since = now()
"""
_LOOSE_DUE = """
SELECT tenant_id, sha256 FROM loose_blob WHERE since < now() - make_interval(secs => $1) ORDER BY since LIMIT $2
"""
_IS_NEEDED = "SELECT EXISTS (SELECT FROM package_file WHERE sha256 = $1)"
_IS_STILL_LOOSE = """
SELECT since < now() - make_interval(secs => $3) FROM loose_blob WHERE tenant_id = $1 AND sha256 = $2 FOR UPDATE
"""
_SETTLED = "DELETE FROM loose_blob WHERE tenant_id = $1 AND sha256 = $2"
_SETTLED_IF_DUE = """
DELETE FROM loose_blob WHERE tenant_id = $1 AND sha256 = $2 AND since < now() - make_interval(secs => $3)
"""

_WHERE_LIST = f"""
{_FROM}
WHERE f.tenant_id = $1
  AND ($2 = '' OR f.name = $2) AND ($3 = '' OR f.version = $3) AND ($4 = '' OR f.platform = $4)
  AND ($5 = '' OR f.arch = $5) AND ($6 = '' OR p.type = $6) AND ($7::boolean IS NULL OR f.active = $7)
  AND ($8 = '' OR strpos(f.name, lower($8)) > 0 OR strpos(lower(f.description), lower($8)) > 0)
"""
_SORTS = {"created_at": ("f.created_at", "timestamptz"), "name": ("f.name", "text"), "size": ("f.size", "bigint")}
SORTS = tuple(_SORTS)

_FIGURES = """
SELECT count(DISTINCT name), count(*), count(*) FILTER (WHERE active), coalesce(sum(downloads), 0)::bigint,
       count(*) FILTER (WHERE damaged_at IS NOT NULL)
FROM package_file WHERE tenant_id = $1
"""
_ALL_FIGURES = """
SELECT (SELECT count(*) FROM package_file) AS files,
       (SELECT count(*) FROM package_file WHERE damaged_at IS NOT NULL) AS damaged,
       (SELECT coalesce(sum(size), 0)::bigint FROM (SELECT DISTINCT sha256, size FROM package_file) AS one) AS bytes,
       (SELECT count(*) FROM upload WHERE file_id IS NULL) AS uploads
"""


async def one(connection: Connection | asyncpg.Pool, tenant_id: str, file_id: UUID) -> File | None:
    """Return a file; None when there is none."""
    return _file(await connection.fetchrow(_ONE, tenant_id, file_id))


async def by_draft(connection: Connection | asyncpg.Pool, tenant_id: str, draft: Draft) -> File | None:
    """Return the file published under this name, version, platform and architecture."""
    row = await connection.fetchrow(_BY_TUPLE, tenant_id, draft.name, draft.version, draft.platform, draft.arch)
    return _file(row)


async def of_name(connection: Connection | asyncpg.Pool, tenant_id: str, name: str) -> list[File]:
    """Return every file of a package, in no order."""
    return [found for row in await connection.fetch(_OF_NAME, tenant_id, name) if (found := _file(row))]


async def type_of(connection: Connection, tenant_id: str, draft: Draft) -> str:
    """Make the package if there is none of that name, and return its type: the first file decided it."""
    await connection.execute(_ADD_PACKAGE, tenant_id, draft.name, draft.type)
    return str(await connection.fetchval(_TYPE, tenant_id, draft.name))


async def add(
    connection: Connection, tenant_id: str, draft: Draft, *, sha256: bytes, size: int, author: str
) -> UUID | None:
    """Publish; None when that place is taken."""
    made: UUID | None = await connection.fetchval(
        _ADD,
        tenant_id,
        draft.name,
        draft.version,
        draft.platform,
        draft.arch,
        sha256,
        size,
        draft.description,
        author,
    )
    return made


async def set_active(connection: Connection, tenant_id: str, file_id: UUID, *, active: bool) -> bool:
    """Hand a file to agents, or not any more; says whether that changed anything."""
    return await connection.fetchval(_SET_ACTIVE, tenant_id, file_id, active) is not None


async def delete(connection: Connection, file: File) -> None:
    """Unpublish; the bytes stay for a while."""
    await connection.execute(_LOOSE, file.tenant_id, file.sha256)
    await connection.execute(_DELETE, file.tenant_id, file.file_id)
    await connection.execute(_DELETE_EMPTY, file.tenant_id, file.name)


async def count_download(connection: Connection | asyncpg.Pool, file: File) -> None:
    """Count one whole download."""
    await connection.execute(_COUNT_DOWNLOAD, file.tenant_id, file.file_id)


async def count_of_name(connection: Connection, tenant_id: str, name: str) -> int:
    """Count the files of a package."""
    count: int = await connection.fetchval(_COUNT_OF_NAME, tenant_id, name)
    return count


async def stored_bytes(connection: Connection | asyncpg.Pool, tenant_id: str) -> int:
    """Sum up what a tenant stores, each content once."""
    total: int = await connection.fetchval(_STORED, tenant_id)
    return total


async def has_content(connection: Connection, tenant_id: str, sha256: bytes) -> bool:
    """Say whether a tenant has published this content, under whatever name."""
    found: bool = await connection.fetchval(_HAS_CONTENT, tenant_id, sha256)
    return found


async def mark_damaged(connection: Connection, sha256: bytes) -> list[File]:
    """Note that a blob is not what it should be; returns the files that were thought well until now."""
    return [found for row in await connection.fetch(_DAMAGE, sha256) if (found := _file(row))]


async def doubt(connection: Connection, sha256: bytes) -> list[tuple[str, str]]:
    """
    Let a content not be offered until it was read again, and note that it shall be.

    Returns:
        Tenant and package of the files that were offered until now.
    """
    rows = await connection.fetch(_DOUBT, sha256)
    return [(row["tenant_id"], row["name"]) for row in rows if row["was_vetted"]]


async def is_damaged(connection: Connection, sha256: bytes) -> bool:
    """Say whether the blob of this content is known to be damaged."""
    found: bool = await connection.fetchval(_IS_DAMAGED, sha256)
    return found


async def heal(connection: Connection, sha256: bytes) -> None:
    """Note that a blob was stored anew."""
    await connection.execute(_HEAL, sha256)


async def lock_blob(connection: Connection, sha256: bytes) -> None:
    """Keep everybody else from storing or removing a blob until the transaction ends."""
    await connection.execute(_LOCK_BLOB, sha256.hex())


async def note_loose(connection: Connection | asyncpg.Pool, tenant_id: str, sha256: bytes) -> None:
    """Remember a blob that perhaps no file will need; to be said before it is stored."""
    await connection.execute(_LOOSE, tenant_id, sha256)


async def loose_due(connection: Connection | asyncpg.Pool, older_seconds: float, limit: int) -> list[tuple[str, bytes]]:
    """List blobs noted as loose so long ago."""
    rows = await connection.fetch(_LOOSE_DUE, older_seconds, limit)
    return [(row["tenant_id"], row["sha256"]) for row in rows]


async def is_unneeded(connection: Connection, tenant_id: str, sha256: bytes, older_seconds: float) -> bool:
    """Say, with the blob locked, whether it is still noted as loose and no file of anybody needs it."""
    if not await connection.fetchval(_IS_STILL_LOOSE, tenant_id, sha256, older_seconds):
        return False
    return not await connection.fetchval(_IS_NEEDED, sha256)


async def settle(connection: Connection, tenant_id: str, sha256: bytes) -> None:
    """Forget that a blob was loose."""
    await connection.execute(_SETTLED, tenant_id, sha256)


async def settle_if_due(connection: Connection, tenant_id: str, sha256: bytes, older_seconds: float) -> None:
    """Forget that a blob was loose, unless somebody has noted it anew meanwhile."""
    await connection.execute(_SETTLED_IF_DUE, tenant_id, sha256, older_seconds)


async def list_files(
    connection: Connection | asyncpg.Pool,
    tenant_id: str,
    page: Page,
    wanted: Filter,
    *,
    sort: str = "created_at",
    descending: bool = True,
) -> tuple[list[File], int]:
    """
    List files, one row more than the page when there are more.

    Returns:
        The files in order, and how many match on all pages.
    """
    column, kind = _SORTS[sort]
    direction, compare = ("DESC", "<") if descending else ("ASC", ">")
    arguments: list[object] = [
        tenant_id,
        wanted.name,
        wanted.version,
        wanted.platform,
        wanted.arch,
        wanted.type,
        wanted.active,
        wanted.search,
    ]
    total: int = await connection.fetchval(f"SELECT count(*) {_WHERE_LIST}", *arguments)
    after = ""
    if page.after:
        after = f"AND ({column}, f.file_id) {compare} ($9::text::{kind}, $10::text::uuid)"
        arguments.extend(page.after)
    statement = f"""
        SELECT {_COLUMNS} {_WHERE_LIST} {after}
        ORDER BY {column} {direction}, f.file_id {direction} LIMIT {page.limit + 1} OFFSET {page.offset}
    """
    rows = await connection.fetch(statement, *arguments)
    return [found for row in rows if (found := _file(row))], total


async def figures(connection: Connection | asyncpg.Pool, tenant_id: str) -> Figures:
    """Count what a tenant has."""
    (row,) = await connection.fetch(_FIGURES, tenant_id)
    return Figures(row[0], row[1], row[2], await stored_bytes(connection, tenant_id), row[3], row[4])


async def all_figures(connection: Connection | asyncpg.Pool) -> tuple[int, int, int, int]:
    """Count files, damaged files, bytes and open uploads of all tenants."""
    (row,) = await connection.fetch(_ALL_FIGURES)
    return row["files"], row["damaged"], row["bytes"], row["uploads"]


def sort_key(file: File, sort: str) -> tuple[str, str]:
    """Write what a cursor needs to go on after this row."""
    values = {"created_at": file.created_at.isoformat(), "name": file.name, "size": str(file.size)}
    return values[sort], str(file.file_id)


def _file(row: asyncpg.Record | None) -> File | None:
    return File(**row) if row is not None else None
