"""Manifests of channels in the database, and the files they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.package_signing import Target

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from servicekit.postgres import Connection

KEEP = 20
"""Manifests of a channel that are kept, the newest."""


@dataclass(frozen=True)
class Published:
    """One manifest as it was published."""

    tenant_id: str
    channel: str
    version: int
    content: bytes
    """Digest of its list of files."""

    expires_at: datetime
    envelope: bytes
    created_by: str
    created_at: datetime


_LOCK = "SELECT pg_advisory_xact_lock(hashtext(current_schema()), hashtext('manifest ' || $1 || ' ' || $2))"
_NEWEST = """
SELECT tenant_id, channel, version, content, expires_at, envelope, created_by, created_at
FROM package_manifest WHERE tenant_id = $1 AND channel = $2 ORDER BY version DESC LIMIT 1
"""
_ADD = """
INSERT INTO package_manifest (tenant_id, channel, version, content, expires_at, envelope, created_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_PRUNE = "DELETE FROM package_manifest WHERE tenant_id = $1 AND channel = $2 AND version <= $3"
_TARGETS = """
SELECT file_id, name, version, platform, arch, sha256, size FROM package_file
WHERE tenant_id = $1 AND active AND damaged_at IS NULL
"""
_FINGERPRINT = """
SELECT count(*)::text || ' ' || coalesce(sum(hashtextextended(file_id::text, 0)), 0)::text || ' ' || (
    SELECT count(*)::text || ' ' || coalesce(sum(hashtextextended(s.signature_id::text, 0)), 0)::text
    FROM package_signature s JOIN package_key k ON k.tenant_id = s.tenant_id AND k.key_id = s.key_id
    WHERE s.tenant_id = $1 AND s.format = 'ed25519' AND k.revoked_at IS NULL
)
FROM package_file WHERE tenant_id = $1 AND active AND damaged_at IS NULL
"""
_TENANTS = "SELECT DISTINCT tenant_id FROM package UNION SELECT DISTINCT tenant_id FROM package_manifest"


async def lock(connection: Connection, tenant_id: str, channel: str) -> None:
    """Publish manifests of a channel one after another until the transaction ends."""
    await connection.execute(_LOCK, tenant_id, channel)


async def newest(connection: Connection | asyncpg.Pool, tenant_id: str, channel: str) -> Published | None:
    """Return the manifest of the highest version; None when there is none."""
    row = await connection.fetchrow(_NEWEST, tenant_id, channel)
    return Published(**row) if row is not None else None


async def add(connection: Connection, made: Published) -> None:
    """Publish one, and forget those long superseded; the highest version always stays."""
    await connection.execute(_ADD, *vars(made).values())
    await connection.execute(_PRUNE, made.tenant_id, made.channel, made.version - KEEP)


async def targets(connection: Connection | asyncpg.Pool, tenant_id: str) -> dict[UUID, Target]:
    """Return every file that is active and undamaged, in no order; whether it is signed is not asked."""
    return {
        row["file_id"]: Target(
            row["name"], row["version"], row["platform"], row["arch"], row["sha256"].hex(), row["size"]
        )
        for row in await connection.fetch(_TARGETS, tenant_id)
    }


async def fingerprint(connection: Connection | asyncpg.Pool, tenant_id: str) -> str:
    """
    Tell cheaply whether what may be offered has changed.

    Files never change, they come, go, and are switched; so do the signatures that count.
    """
    found: str = await connection.fetchval(_FINGERPRINT, tenant_id)
    return found


async def tenants(connection: Connection | asyncpg.Pool) -> list[str]:
    """List tenants that may have a manifest."""
    return [row["tenant_id"] for row in await connection.fetch(_TENANTS)]
