"""Public keys in the database: which count, and which do not any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from servicekit.postgres import Connection

PLATFORM, REGISTERED = "platform", "registered"

_ALL = """
SELECT tenant_id, key_id, public_key, name, origin, created_by, created_at, revoked_by, revoked_at
FROM package_key WHERE tenant_id = $1
"""
_ADD = """
INSERT INTO package_key (tenant_id, key_id, public_key, name, origin, created_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, key_id) DO NOTHING RETURNING key_id
"""
_COUNT = "SELECT count(*) FROM package_key WHERE tenant_id = $1"
_REVOKE = """
UPDATE package_key SET revoked_by = $3, revoked_at = now()
WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NULL RETURNING key_id
"""


@dataclass(frozen=True)
class Key:
    """One public key."""

    tenant_id: str
    key_id: str
    public_key: bytes
    name: str
    origin: str
    created_by: str
    created_at: datetime
    revoked_by: str
    revoked_at: datetime | None


async def all_of(connection: Connection | asyncpg.Pool, tenant_id: str) -> list[Key]:
    """List every key, the oldest first, revoked ones too."""
    return [Key(**row) for row in await connection.fetch(f"{_ALL} ORDER BY created_at, key_id", tenant_id)]


async def one(connection: Connection | asyncpg.Pool, tenant_id: str, key_id: str) -> Key | None:
    """Return a key; None when there is none."""
    row = await connection.fetchrow(f"{_ALL} AND key_id = $2", tenant_id, key_id)
    return Key(**row) if row is not None else None


async def trusted(connection: Connection | asyncpg.Pool, tenant_id: str) -> dict[str, bytes]:
    """Return the keys that count, by id."""
    return {key.key_id: key.public_key for key in await all_of(connection, tenant_id) if key.revoked_at is None}


async def add(
    connection: Connection, tenant_id: str, key_id: str, public_key: bytes, *, name: str, origin: str, author: str
) -> bool:
    """Add a key; False when it is there, revoked or not."""
    made = await connection.fetchval(_ADD, tenant_id, key_id, public_key, name, origin, author)
    return made is not None


async def count(connection: Connection, tenant_id: str) -> int:
    """Count keys, revoked ones too."""
    found: int = await connection.fetchval(_COUNT, tenant_id)
    return found


async def revoke(connection: Connection, tenant_id: str, key_id: str, author: str) -> bool:
    """Let a key not count any more; False when it did not."""
    return await connection.fetchval(_REVOKE, tenant_id, key_id, author) is not None
