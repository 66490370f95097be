"""Uploads and their parts in the database. Every step is guarded by the offset it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from package_service.blob_store import Part
from package_service.package import Draft

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from servicekit.postgres import Connection


@dataclass(frozen=True)
class Upload:
    """A file that arrives."""

    tenant_id: str
    upload_id: UUID
    draft: Draft | None
    """None while a form has not told yet what its file is."""

    size: int
    """0 = not known before its end."""

    sha256: bytes | None
    """As its sender declared it."""

    part_bytes: int
    stored: int
    """Bytes that are there."""

    parts: int
    multipart_id: str
    """What the object store calls it; empty = nothing was sent there yet."""

    file_id: UUID | None
    """Set once it is published."""

    created_by: str
    created_at: datetime
    updated_at: datetime


_BEGIN = """
INSERT INTO upload (tenant_id, name, version, platform, arch, type, description, size, sha256, part_bytes, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING *
"""
_ONE = "SELECT * FROM upload WHERE tenant_id = $1 AND upload_id = $2"
_OPEN = """
SELECT count(*), coalesce(sum(greatest(size, stored)), 0)::bigint FROM upload
WHERE tenant_id = $1 AND file_id IS NULL
"""
_SET_MULTIPART = """
UPDATE upload SET multipart_id = $3, updated_at = now()
WHERE tenant_id = $1 AND upload_id = $2 AND multipart_id = '' AND stored = 0 RETURNING upload_id
"""
_ADVANCE = """
UPDATE upload SET stored = stored + $4, parts = parts + 1, updated_at = now()
WHERE tenant_id = $1 AND upload_id = $2 AND stored = $3 AND multipart_id = $5 AND file_id IS NULL RETURNING parts
"""
_ADD_PART = "INSERT INTO upload_part (tenant_id, upload_id, number, size, etag) VALUES ($1, $2, $3, $4, $5)"
_PARTS = "SELECT number, size, etag FROM upload_part WHERE tenant_id = $1 AND upload_id = $2 ORDER BY number"
_RESET_PARTS = "DELETE FROM upload_part WHERE tenant_id = $1 AND upload_id = $2"
_RESET = """
UPDATE upload SET stored = 0, parts = 0, multipart_id = '', updated_at = now() WHERE tenant_id = $1 AND upload_id = $2
"""
_PUBLISHED = "UPDATE upload SET file_id = $3, updated_at = now() WHERE tenant_id = $1 AND upload_id = $2"
_DELETE = "DELETE FROM upload WHERE tenant_id = $1 AND upload_id = $2"
_STALE = "SELECT * FROM upload WHERE updated_at < now() - make_interval(secs => $1) ORDER BY updated_at LIMIT $2"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext(current_schema()), hashtext('upload ' || $1))"
_LOCK_TENANT = "SELECT pg_advisory_xact_lock(hashtext(current_schema()), hashtext('quota ' || $1))"


async def begin(
    connection: Connection,
    tenant_id: str,
    draft: Draft | None,
    *,
    size: int,
    sha256: bytes | None,
    part_bytes: int,
    author: str,
) -> Upload:
    """Begin an upload."""
    known = draft or Draft("", "", "", "", "", "")
    (row,) = await connection.fetch(
        _BEGIN,
        tenant_id,
        known.name,
        known.version,
        known.platform,
        known.arch,
        known.type,
        known.description,
        size,
        sha256,
        part_bytes,
        author,
    )
    return _upload(row)


async def one(connection: Connection | asyncpg.Pool, tenant_id: str, upload_id: UUID) -> Upload | None:
    """Return an upload; None when there is none."""
    row = await connection.fetchrow(_ONE, tenant_id, upload_id)
    return _upload(row) if row is not None else None


async def open_uploads(connection: Connection | asyncpg.Pool, tenant_id: str) -> tuple[int, int]:
    """Count a tenant's open uploads and the bytes they will take."""
    (row,) = await connection.fetch(_OPEN, tenant_id)
    return row[0], row[1]


async def set_multipart(connection: Connection | asyncpg.Pool, upload: Upload, multipart_id: str) -> bool:
    """Remember what the object store calls it; says no when somebody else was faster."""
    return await connection.fetchval(_SET_MULTIPART, upload.tenant_id, upload.upload_id, multipart_id) is not None


async def add_part(connection: Connection, upload: Upload, offset: int, part: Part, multipart_id: str) -> bool:
    """Remember a stored part; says no when the upload does not stand at *offset* (any more)."""
    number = await connection.fetchval(_ADVANCE, upload.tenant_id, upload.upload_id, offset, part.size, multipart_id)
    if number != part.number:
        return False
    await connection.execute(_ADD_PART, upload.tenant_id, upload.upload_id, part.number, part.size, part.etag)
    return True


async def parts_of(connection: Connection | asyncpg.Pool, upload: Upload) -> list[Part]:
    """Return the parts in order."""
    rows = await connection.fetch(_PARTS, upload.tenant_id, upload.upload_id)
    return [Part(row["number"], row["size"], row["etag"]) for row in rows]


async def reset(connection: Connection, upload: Upload) -> None:
    """Begin it anew from byte 0: the object store has lost what it had."""
    await connection.execute(_RESET_PARTS, upload.tenant_id, upload.upload_id)
    await connection.execute(_RESET, upload.tenant_id, upload.upload_id)


async def mark_published(connection: Connection, upload: Upload, file_id: UUID) -> None:
    """Remember which file it became."""
    await connection.execute(_PUBLISHED, upload.tenant_id, upload.upload_id, file_id)


async def delete(connection: Connection | asyncpg.Pool, upload: Upload) -> None:
    """Forget an upload."""
    await connection.execute(_DELETE, upload.tenant_id, upload.upload_id)


async def stale(connection: Connection | asyncpg.Pool, idle_seconds: float, limit: int) -> list[Upload]:
    """List uploads nobody went on with for so long, published ones included."""
    return [_upload(row) for row in await connection.fetch(_STALE, idle_seconds, limit)]


async def try_lock(connection: Connection, upload_id: UUID) -> bool:
    """Try to be the only one who completes or removes an upload, until the transaction ends, by crash or in order."""
    return bool(await connection.fetchval(_TRY_LOCK, str(upload_id)))


async def lock_quota(connection: Connection, tenant_id: str) -> None:
    """Let one transaction after the other ask how much a tenant has."""
    await connection.execute(_LOCK_TENANT, tenant_id)


def _upload(row: asyncpg.Record) -> Upload:
    draft = Draft(row["name"], row["version"], row["platform"], row["arch"], row["type"], row["description"])
    return Upload(
        tenant_id=row["tenant_id"],
        upload_id=row["upload_id"],
        draft=draft if draft.name else None,
        size=row["size"],
        sha256=row["sha256"],
        part_bytes=row["part_bytes"],
        stored=row["stored"],
        parts=row["parts"],
        multipart_id=row["multipart_id"],
        file_id=row["file_id"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
