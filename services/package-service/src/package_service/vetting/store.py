"""What is known of stored contents, in the database. A content is vetted once, whoever's files have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    import asyncpg

    from servicekit.postgres import Connection


@dataclass(frozen=True)
class Candidate:
    """One file of a content that is looked at."""

    tenant_id: str
    file_id: UUID
    name: str
    vetted: bool
    mark: str
    """Of the bytes that were found right; empty = not known to be right."""


_WANTED = """
SELECT sha256 FROM package_file
WHERE wanted_at IS NOT NULL AND vetted_at IS NULL AND active AND damaged_at IS NULL
  AND (vet_refusal = '' OR $2) AND sha256 > $1
GROUP BY sha256 ORDER BY sha256 LIMIT $3
"""
_VETTED = """
SELECT sha256, max(vetted_mark) AS mark FROM package_file
WHERE vetted_at IS NOT NULL AND sha256 > $1 GROUP BY sha256 ORDER BY sha256 LIMIT $2
"""
_OLDEST = """
SELECT sha256 FROM package_file WHERE vetted_at < now() - make_interval(secs => $1) ORDER BY vetted_at LIMIT 1
"""
_DAMAGED = """
SELECT sha256, min(size) AS size FROM package_file
WHERE damaged_at IS NOT NULL AND sha256 > $1 GROUP BY sha256 ORDER BY sha256 LIMIT $2
"""
_NAMES = "SELECT DISTINCT tenant_id, name FROM package_file WHERE sha256 = $1"
_CANDIDATES = """
SELECT tenant_id, file_id, name, vetted_at IS NOT NULL AS vetted, vetted_mark AS mark FROM package_file
WHERE sha256 = $1 AND damaged_at IS NULL AND (wanted_at IS NOT NULL OR vetted_at IS NOT NULL)
ORDER BY tenant_id, file_id
"""
_SIZE = "SELECT size FROM package_file WHERE sha256 = $1 AND damaged_at IS NULL LIMIT 1"
_VET = """
UPDATE package_file SET vetted_at = now(), vetted_mark = $3, vet_refusal = ''
WHERE tenant_id = $1 AND file_id = ANY ($2) AND damaged_at IS NULL
"""
_REFUSE = """
UPDATE package_file SET vetted_at = NULL, vetted_mark = $3, vet_refusal = $4
WHERE tenant_id = $1 AND file_id = ANY ($2) AND damaged_at IS NULL
  AND (vetted_at IS NOT NULL OR vetted_mark <> $3 OR vet_refusal <> $4)
"""
_UNVET = """
UPDATE package_file p SET vetted_at = NULL, vetted_mark = '', vet_refusal = $2
FROM (SELECT tenant_id, file_id, vetted_at FROM package_file WHERE sha256 = $1 FOR UPDATE) AS before
WHERE p.tenant_id = before.tenant_id AND p.file_id = before.file_id
  AND (p.vetted_at IS NOT NULL OR p.vetted_mark <> '' OR p.vet_refusal <> $2)
RETURNING p.tenant_id, p.name, before.vetted_at IS NOT NULL AS was_vetted
"""
_FIGURES = """
SELECT count(*) FILTER (WHERE vetted_at IS NOT NULL),
       count(*) FILTER (WHERE vetted_at IS NULL AND wanted_at IS NOT NULL AND active)
FROM package_file
"""


async def wanted(connection: Connection | asyncpg.Pool, after: bytes, limit: int, *, refused_too: bool) -> list[bytes]:
    """
    List contents somebody wants to offer and may not yet, in order of their hashes.

    Args:
        connection: The database.

        after: Go on after this one; empty = from the beginning.

        limit: At most so many.

        refused_too: Also those that were looked at and refused.
    """
    return [row["sha256"] for row in await connection.fetch(_WANTED, after, refused_too, limit)]


async def vetted(connection: Connection | asyncpg.Pool, after: bytes, limit: int) -> list[tuple[bytes, str]]:
    """List contents that may be offered, with their marks, in order of their hashes, after this one."""
    return [(row["sha256"], row["mark"]) for row in await connection.fetch(_VETTED, after, limit)]


async def oldest(connection: Connection | asyncpg.Pool, older_seconds: float) -> bytes | None:
    """Name the content that was vetted longest ago, if that is more than so many seconds."""
    sha256: bytes | None = await connection.fetchval(_OLDEST, older_seconds)
    return sha256


async def damaged(connection: Connection | asyncpg.Pool, after: bytes, limit: int) -> list[tuple[bytes, int]]:
    """List contents known to be damaged, with their sizes, in order of their hashes, after this one."""
    return [(row["sha256"], row["size"]) for row in await connection.fetch(_DAMAGED, after, limit)]


async def names_of(connection: Connection, sha256: bytes) -> list[tuple[str, str]]:
    """Tell tenant and package of every file with this content."""
    return [(row["tenant_id"], row["name"]) for row in await connection.fetch(_NAMES, sha256)]


async def candidates(connection: Connection | asyncpg.Pool, sha256: bytes) -> list[Candidate]:
    """Return the files of a content that are wanted or may be offered."""
    return [Candidate(**row) for row in await connection.fetch(_CANDIDATES, sha256)]


async def size_of(connection: Connection | asyncpg.Pool, sha256: bytes) -> int | None:
    """Tell how long a content is; None when no undamaged file has it."""
    size: int | None = await connection.fetchval(_SIZE, sha256)
    return size


async def vet(connection: Connection, tenant_id: str, file_ids: Collection[UUID], mark: str) -> None:
    """Let files be offered."""
    await connection.execute(_VET, tenant_id, list(file_ids), mark)


async def refuse(connection: Connection, tenant_id: str, file_ids: Collection[UUID], mark: str, why: str) -> None:
    """Let files not be offered though their bytes are right."""
    await connection.execute(_REFUSE, tenant_id, list(file_ids), mark, why)


async def unvet(connection: Connection, sha256: bytes, why: str = "") -> list[tuple[str, str]]:
    """
    Let a content not be offered until it is read again.

    Returns:
        Tenant and package of the files that were offered until now.
    """
    rows = await connection.fetch(_UNVET, sha256, why)
    return [(row["tenant_id"], row["name"]) for row in rows if row["was_vetted"]]


async def figures(connection: Connection | asyncpg.Pool) -> tuple[int, int]:
    """Count files that may be offered, and files that are wanted and may not."""
    (row,) = await connection.fetch(_FIGURES)
    return row[0], row[1]
