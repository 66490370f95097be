"""Signatures in the database, as they came."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from servicekit.postgres import Connection


class Format(StrEnum):
    """What a signature looks like, the one agents are offered first."""

    COSIGN = "cosign"
    """What the OpenTelemetry supervisor verifies; somebody put it there for agents, so it goes first."""

    ED25519 = "ed25519"
    """Over the file's SHA-256; the only one checked here."""

    OTHER = "other"


@dataclass(frozen=True)
class Signature:
    """One signature over one file."""

    tenant_id: str
    signature_id: UUID
    file_id: UUID
    format: str
    key_id: str
    signature: bytes
    created_by: str
    created_at: datetime


_COLUMNS = "s.tenant_id, s.signature_id, s.file_id, s.format, s.key_id, s.signature, s.created_by, s.created_at"
_OF_FILES = f"""
SELECT {_COLUMNS} FROM package_signature s
WHERE s.tenant_id = $1 AND s.file_id = ANY ($2) ORDER BY s.created_at, s.signature_id
"""  # noqa: S608 - constants only
_CHOSEN = """
SELECT DISTINCT ON (s.file_id) s.file_id, s.signature_id, s.signature
FROM package_signature s LEFT JOIN package_key k ON k.tenant_id = s.tenant_id AND k.key_id = s.key_id
WHERE s.tenant_id = $1 AND s.file_id = ANY ($2)
  AND (s.format <> 'ed25519' OR (k.key_id IS NOT NULL AND k.revoked_at IS NULL))
ORDER BY s.file_id, array_position($3::text[], s.format), s.created_at DESC, s.signature_id
"""
_LOCK_FILE = "SELECT FROM package_file WHERE tenant_id = $1 AND file_id = $2 FOR UPDATE"
_ADD = """
INSERT INTO package_signature (tenant_id, file_id, format, key_id, signature, created_by)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, file_id, format, key_id, sha256(signature)) DO NOTHING RETURNING signature_id
"""
_DELETE = """
DELETE FROM package_signature WHERE tenant_id = $1 AND file_id = $2 AND signature_id = $3 RETURNING signature_id
"""

_SIGNED_BY = """
SELECT DISTINCT f.name
FROM package_signature s JOIN package_file f ON f.tenant_id = s.tenant_id AND f.file_id = s.file_id
WHERE s.tenant_id = $1 AND s.key_id = $2 AND s.format = 'ed25519'
"""

_UNSIGNED = """
NOT EXISTS (
    SELECT FROM package_signature s JOIN package_key k ON k.tenant_id = s.tenant_id AND k.key_id = s.key_id
    WHERE s.tenant_id = f.tenant_id AND s.file_id = f.file_id AND s.format = 'ed25519' AND k.revoked_at IS NULL
)
"""
_UNVET_UNSIGNED = f"""
UPDATE package_file f SET vetted_at = NULL, vet_refusal = 'unsigned'
WHERE f.vetted_at IS NOT NULL AND ($1 = '' OR f.tenant_id = $1) AND {_UNSIGNED} RETURNING f.tenant_id, f.name
"""  # noqa: S608 - constants only
_LOOK_AGAIN = """
UPDATE package_file SET vet_refusal = '' WHERE tenant_id = $1 AND file_id = $2 AND vet_refusal = 'unsigned'
"""
_VETTING = "SELECT vetted_at, vet_refusal FROM package_file WHERE tenant_id = $1 AND file_id = $2"


async def of_files(
    connection: Connection | asyncpg.Pool, tenant_id: str, file_ids: Collection[UUID]
) -> dict[UUID, list[Signature]]:
    """Return every signature of these files, the oldest first; files without one are left out."""
    found: dict[UUID, list[Signature]] = {}
    for row in await connection.fetch(_OF_FILES, tenant_id, list(file_ids)):
        found.setdefault(row["file_id"], []).append(Signature(**row))
    return found


async def chosen(
    connection: Connection | asyncpg.Pool, tenant_id: str, file_ids: Collection[UUID]
) -> dict[UUID, bytes]:
    """
    Choose the signature each file is offered with, as it came; files without one are left out.

    cosign before ed25519 before other, the newest of its kind; never one of a key that does not count any more.
    """
    rows = await connection.fetch(_CHOSEN, tenant_id, list(file_ids), list(Format))
    return {row["file_id"]: row["signature"] for row in rows}


async def chosen_id(connection: Connection | asyncpg.Pool, tenant_id: str, file_id: UUID) -> UUID | None:
    """Tell which signature a file is offered with."""
    rows = await connection.fetch(_CHOSEN, tenant_id, [file_id], list(Format))
    return rows[0]["signature_id"] if rows else None


async def lock_file(connection: Connection, tenant_id: str, file_id: UUID) -> None:
    """Let signatures of a file be added one after another until the transaction ends."""
    await connection.execute(_LOCK_FILE, tenant_id, file_id)


async def add(
    connection: Connection, tenant_id: str, file_id: UUID, *, form: str, key_id: str, signature: bytes, author: str
) -> UUID | None:
    """Add a signature; None when this very one is there."""
    made: UUID | None = await connection.fetchval(_ADD, tenant_id, file_id, form, key_id, signature, author)
    return made


async def delete(connection: Connection, tenant_id: str, file_id: UUID, signature_id: UUID) -> bool:
    """Remove a signature; False when there is none."""
    return await connection.fetchval(_DELETE, tenant_id, file_id, signature_id) is not None


async def signed_by(connection: Connection, tenant_id: str, key_id: str) -> list[str]:
    """Name the packages with files a key has signed."""
    return [row["name"] for row in await connection.fetch(_SIGNED_BY, tenant_id, key_id)]


async def unvet_unsigned(connection: Connection, tenant_id: str = "") -> list[tuple[str, str]]:
    """
    Let files not be offered that no key signed that counts.

    Args:
        connection: In a transaction.

        tenant_id: Whose; empty = everybody's.

    Returns:
        Tenant and package of each file hit.
    """
    rows = await connection.fetch(_UNVET_UNSIGNED, tenant_id)
    return [(row["tenant_id"], row["name"]) for row in rows]


async def look_again(connection: Connection, tenant_id: str, file_id: UUID) -> None:
    """Let a file that was refused for want of a signature be vetted again."""
    await connection.execute(_LOOK_AGAIN, tenant_id, file_id)


async def vetting_of(
    connection: Connection | asyncpg.Pool, tenant_id: str, file_id: UUID
) -> tuple[datetime | None, str]:
    """Tell when a file was found good enough to be offered, and why it was not."""
    row = await connection.fetchrow(_VETTING, tenant_id, file_id)
    return (row["vetted_at"], row["vet_refusal"]) if row is not None else (None, "")
