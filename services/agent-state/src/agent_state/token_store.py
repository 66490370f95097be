"""
Enrolment tokens: who may come in, and by which rules.

Only the SHA-256 of a token's text is kept; the text is said once, when it is made.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import asyncpg

from agent_state.enrolment import Rules, rules_of
from contracts.tokens import ENROLMENT, sealed

ID_BYTES = 6
SECRET_BYTES = 24

_COLUMNS = """tenant_id, id, name, created_by, created_at, expires_at, revoked_at, max_uses, uses, cidrs, labels,
  requires_approval, ephemeral_seconds, issues, credential_lifetime_seconds"""
_CREATE = f"""
INSERT INTO enrolment_token (tenant_id, id, token_hash, name, created_by, expires_at, max_uses, cidrs, labels,
  requires_approval, ephemeral_seconds, issues, credential_lifetime_seconds)
VALUES ($1, $2, $3, $4, $5, now() + $6::interval, nullif($7::bigint, 0), $8, $9, $10, $11, $12, $13)
RETURNING {_COLUMNS}
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
# Tokens with a limit are counted exactly. The others: agents with a row of their own, or, where the token keeps no
# list, agents whose newest connection it let in.
_USES = """
SELECT t.id, CASE WHEN t.max_uses IS NOT NULL THEN t.uses ELSE greatest(
    (SELECT count(*) FROM enrolment e WHERE e.tenant_id = t.tenant_id AND e.token_id = t.id),
    coalesce(a.agents, 0)) END AS uses
FROM enrolment_token t LEFT JOIN (
  SELECT credential_id, count(*) AS agents FROM agent WHERE tenant_id = $1 AND credential_id = ANY ($2)
  GROUP BY credential_id) a ON a.credential_id = t.id
WHERE t.tenant_id = $1 AND t.id = ANY ($2)
"""


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
    rules: Rules = field(default_factory=Rules)
    uses: int = 0
    """Agents it has enrolled."""


class TokenStore:
    """Makes, lists and revokes enrolment tokens; who shows one is judged by admission."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create(
        self, tenant_id: str, name: str, created_by: str, lifetime: timedelta | None, rules: Rules | None = None
    ) -> tuple[EnrolmentToken, str]:
        """Make a token; return it with its text, which cannot be told again."""
        token_id = secrets.token_hex(ID_BYTES)
        text = sealed(f"{ENROLMENT}_{token_id}_{secrets.token_hex(SECRET_BYTES)}")
        asked = rules or Rules()
        row = await self._pool.fetchrow(
            _CREATE,
            tenant_id,
            token_id,
            hash_of(text),
            name,
            created_by,
            lifetime,
            asked.max_uses,
            list(asked.cidrs),
            dict(asked.labels),
            asked.requires_approval,
            asked.ephemeral_seconds,
            asked.issues,
            asked.credential_lifetime_seconds,
        )
        if row is None:
            message = "INSERT … RETURNING returned nothing"
            raise RuntimeError(message)
        return _token_of(row), text

    async def list(
        self, tenant_id: str, limit: int, offset: int, after: tuple[datetime, str] | None
    ) -> tuple[list[EnrolmentToken], int]:
        """List newest first, expired and revoked ones included; also tell how many there are."""
        created_at, token_id = after if after is not None else (None, None)
        rows = await self._pool.fetch(_LIST, tenant_id, created_at, token_id, limit, offset)
        total: int = await self._pool.fetchval(_COUNT, tenant_id)
        counted = await self._pool.fetch(_USES, tenant_id, [row["id"] for row in rows])
        uses = {row["id"]: row["uses"] for row in counted}
        return [replace(_token_of(row), uses=uses.get(row["id"], 0)) for row in rows], total

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
        rules_of(row),
        row["uses"],
    )
