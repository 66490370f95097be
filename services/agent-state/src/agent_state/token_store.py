"""
Enrolment tokens: who may come in.

Only the SHA-256 of a token's text is kept; the text is said once, when it is made.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

TEXT_PREFIX = "oet"
ID_BYTES = 6
SECRET_BYTES = 24

_COLUMNS = "tenant_id, id, name, created_by, created_at, expires_at, revoked_at"
_CREATE = f"""
INSERT INTO enrolment_token (tenant_id, id, token_hash, name, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + $6::interval) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants
_VERIFY = f"""
SELECT {_COLUMNS} FROM enrolment_token
WHERE token_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""  # noqa: S608 - constants
_LIST = f"""
SELECT {_COLUMNS} FROM enrolment_token
WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5
"""  # noqa: S608 - constants
_COUNT = "SELECT count(*) FROM enrolment_token WHERE tenant_id = $1"
_REVOKE = f"""
UPDATE enrolment_token SET revoked_at = coalesce(revoked_at, now())
WHERE tenant_id = $1 AND id = $2 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """A token without its text."""

    tenant_id: str
    id: str
    name: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class TokenStore:
    """Makes, checks and revokes enrolment tokens."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create(
        self, tenant_id: str, name: str, created_by: str, lifetime: timedelta | None
    ) -> tuple[EnrolmentToken, str]:
        """Make a token; return it with its text, which cannot be told again."""
        token_id = secrets.token_hex(ID_BYTES)
        text = f"{TEXT_PREFIX}_{token_id}_{secrets.token_hex(SECRET_BYTES)}"
        row = await self._pool.fetchrow(_CREATE, tenant_id, token_id, hash_of(text), name, created_by, lifetime)
        if row is None:
            message = "INSERT … RETURNING returned nothing"
            raise RuntimeError(message)
        return _token_of(row), text

    async def verify(self, token_hash: bytes) -> EnrolmentToken | None:
        """Tell whose token has this hash; None when nobody's, expired or revoked."""
        row = await self._pool.fetchrow(_VERIFY, token_hash)
        return None if row is None else _token_of(row)

    async def list(
        self, tenant_id: str, limit: int, offset: int, after: tuple[datetime, str] | None
    ) -> tuple[list[EnrolmentToken], int]:
        """List newest first, expired and revoked ones included; also tell how many there are."""
        created_at, token_id = after if after is not None else (None, None)
        rows = await self._pool.fetch(_LIST, tenant_id, created_at, token_id, limit, offset)
        total: int = await self._pool.fetchval(_COUNT, tenant_id)
        return [_token_of(row) for row in rows], total

    async def revoke(self, tenant_id: str, token_id: str) -> EnrolmentToken | None:
        """Revoke for ever; repeating keeps the first time. None when there is no such token."""
        row = await self._pool.fetchrow(_REVOKE, tenant_id, token_id)
        return None if row is None else _token_of(row)


def hash_of(text: str) -> bytes:
    """Hash a token's text as gateways do."""
    return hashlib.sha256(text.encode()).digest()


def _token_of(row: asyncpg.Record) -> EnrolmentToken:
    """Read a row of _COLUMNS."""
    return EnrolmentToken(
        row["tenant_id"],
        row["id"],
        row["name"],
        row["created_by"],
        row["created_at"],
        row["expires_at"],
        row["revoked_at"],
    )
