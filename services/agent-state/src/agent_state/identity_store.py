"""
Who agents are, in the database: proofs looked up, agents enrolled, what was decided about them.

Lock order: the agent's identity row, its enrolment, its token, its credentials. None of these is held while facts
are applied, except credentials, which come last there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent_state.belonging import Ties
from agent_state.enrolment import APPROVED, rules_of
from agent_state.verdicts import Found, Shown, StoredCredential, StoredToken
from contracts.ids import DEFAULT_TENANT

if TYPE_CHECKING:
    import asyncpg

    from agent_state.folding import Key
    from servicekit.postgres import Connection as Db

_WANTED = """t.tenant_id, t.id, t.expires_at, t.revoked_at, t.uses, t.max_uses, t.cidrs, t.labels,
  t.requires_approval, t.ephemeral_seconds, t.issues, t.credential_lifetime_seconds"""

# One query for all proofs. LIMIT 1 keeps the planner from reading whole tables into hashes for a few hundred rows; the
# subqueries of CASE run only for the few proofs that need them. Whether any agent belongs to another token is told by
# the first and the last of their index.
_LOOK_UP = f"""
SELECT p.position, now() AS now, {_WANTED},
  c.tenant_id AS c_tenant_id, c.id AS c_id, c.agent_uid AS c_agent_uid, c.kind AS c_kind, c.state AS c_state,
  c.expires_at AS c_expires_at, i.approval, i.stamped_labels,
  EXISTS (SELECT FROM enrolment e WHERE e.tenant_id = t.tenant_id AND e.token_id = t.id
    AND e.agent_uid = p.agent_uid) AS enrolled,
  CASE WHEN (t.expires_at <= now() OR t.uses >= t.max_uses) AND p.agent_uid = ''
    THEN EXISTS (
      SELECT FROM enrolment x LEFT JOIN agent a ON a.tenant_id = x.tenant_id AND a.agent_uid = x.agent_uid
      WHERE x.tenant_id = t.tenant_id AND x.token_id = t.id AND a.link IS DISTINCT FROM 'connected')
    ELSE false END AS has_absentees,
  CASE WHEN t.id IS NOT NULL
    THEN EXISTS (SELECT FROM agent_identity b WHERE b.tenant_id = t.tenant_id AND b.approval <> 'approved')
      OR coalesce((SELECT b.enrolment_token_id FROM agent_identity b WHERE b.tenant_id = t.tenant_id
        AND b.enrolment_token_id <> '' ORDER BY b.enrolment_token_id LIMIT 1) <> t.id, false)
      OR coalesce((SELECT b.enrolment_token_id FROM agent_identity b WHERE b.tenant_id = t.tenant_id
        AND b.enrolment_token_id <> '' ORDER BY b.enrolment_token_id DESC LIMIT 1) <> t.id, false)
    ELSE false END AS has_guarded,
  EXISTS (SELECT FROM connection_settings_policy y
    WHERE y.tenant_id = coalesce(t.tenant_id, c.tenant_id, $3)) AS has_policies
FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS p (proof_hash, agent_uid, position)
LEFT JOIN LATERAL (SELECT * FROM enrolment_token WHERE token_hash = p.proof_hash LIMIT 1) t ON true
LEFT JOIN LATERAL (SELECT * FROM agent_credential WHERE proof_hash = p.proof_hash LIMIT 1) c ON true
LEFT JOIN LATERAL (
  SELECT * FROM agent_identity WHERE tenant_id = coalesce(t.tenant_id, c.tenant_id, $3)
    AND agent_uid = coalesce(c.agent_uid, p.agent_uid) LIMIT 1) i ON true
ORDER BY p.position
"""  # noqa: S608 - constants
_TOKEN = f"""
SELECT {_WANTED}, EXISTS (
  SELECT FROM enrolment e WHERE e.tenant_id = t.tenant_id AND e.token_id = t.id AND e.agent_uid = $3) AS enrolled
FROM enrolment_token t WHERE t.tenant_id = $1 AND t.id = $2
"""  # noqa: S608 - constants
_ENROL = """
INSERT INTO enrolment (tenant_id, token_id, agent_uid) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
_TIES = """
SELECT i.enrolment_token_id = $3 OR EXISTS (
    SELECT FROM enrolment e WHERE e.tenant_id = $1 AND e.agent_uid = $2 AND e.token_id = $3) AS by_token,
  i.enrolment_token_id <> '' OR EXISTS (
    SELECT FROM enrolment e WHERE e.tenant_id = $1 AND e.agent_uid = $2) AS enrolled,
  EXISTS (SELECT FROM agent_credential c WHERE c.tenant_id = $1 AND c.agent_uid = $2
    AND c.state IN ('candidate', 'current') AND c.expires_at > now()) AS has_credential,
  coalesce(a.credential_id, '') AS came_by,
  i.released_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM agent_credential c WHERE c.tenant_id = $1 AND c.agent_uid = $2 AND c.id = a.credential_id
      AND c.state IN ('candidate', 'current')) AS released,
  coalesce(i.decided_at = i.released_at, false) AS approved_anew
FROM (VALUES (1)) AS k (one)
LEFT JOIN agent_identity i ON i.tenant_id = $1 AND i.agent_uid = $2
LEFT JOIN agent a ON a.tenant_id = $1 AND a.agent_uid = $2
"""
_BIND = """
UPDATE agent_identity SET enrolment_token_id = $3, stamped_labels = $4
WHERE tenant_id = $1 AND agent_uid = $2 AND enrolment_token_id = ''
"""
_UNTIE = "DELETE FROM enrolment WHERE tenant_id = $1 AND agent_uid = $2 AND token_id <> $3"
_CONSUME = """
UPDATE enrolment_token SET uses = uses + 1
WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
  AND uses < max_uses
RETURNING uses
"""
_IDENTITY = """
SELECT * FROM agent_identity WHERE tenant_id = $1 AND agent_uid = $2 FOR UPDATE
"""
_FOUND = """
INSERT INTO agent_identity AS i (tenant_id, agent_uid, approval) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
_ADMITTED = """
UPDATE agent_identity SET admitted_at = now(), released_at = NULL WHERE tenant_id = $1 AND agent_uid = $2
"""
_STAMP = """
UPDATE agent_identity
SET approval = $3, stamped_labels = $4, ephemeral_seconds = $5, issues = $6, credential_lifetime_seconds = $7,
    enrolment_token_id = CASE WHEN enrolment_token_id = '' OR released_at IS NOT NULL THEN $8
      ELSE enrolment_token_id END,
    released_at = NULL
WHERE tenant_id = $1 AND agent_uid = $2 RETURNING *
"""
_INHERIT = """
UPDATE agent_identity
SET stamped_labels = $3, enrolment_token_id = $4, ephemeral_seconds = $5, issues = $6,
    credential_lifetime_seconds = $7, former_uid = $8, origin_uid = $9
WHERE tenant_id = $1 AND agent_uid = $2 RETURNING *
"""
_DECIDE = """
UPDATE agent_identity SET approval = $3, decided_by = $4, comment = $5, decided_at = now(),
  released_at = CASE WHEN $3 = 'approved' AND approval IN ('rejected', 'revoked') THEN now() END
WHERE tenant_id = $1 AND agent_uid = $2 RETURNING *
"""

_NO_TIES = Ties()


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """What was decided about an agent."""

    tenant_id: str
    uid: bytes
    approval: str = APPROVED
    stamped_labels: Mapping[str, str] = field(default_factory=dict)
    enrolment_token_id: str = ""
    ephemeral_seconds: int = 0
    issues: str = ""
    """Kind of credential it is given: bearer, jwt; empty = none."""

    credential_lifetime_seconds: int = 0
    pending_csr: bytes | None = None
    former_uid: bytes | None = None
    """The id it had before the platform gave it this one."""

    origin_uid: bytes | None = None
    """The first id it had, if it was given others since."""


class IdentityStore:
    """Reads and writes identities; every method but look_up runs inside the caller's transaction."""

    async def look_up(self, connection: Db | asyncpg.Pool, proofs: Sequence[Shown]) -> tuple[list[Found], datetime]:
        """Find what is stored about each proof, in their order, by one query; also tell database time."""
        hashes = [shown.proof_hash for shown in proofs]
        uids = [shown.claimed_uid for shown in proofs]
        rows = await connection.fetch(_LOOK_UP, hashes, uids, DEFAULT_TENANT)
        return [_found_of(row) for row in rows], rows[0]["now"]

    async def token(self, connection: Db, tenant_id: str, token_id: str, uid: bytes) -> StoredToken | None:
        """Find a token by its id, and whether it enrolled this agent."""
        row = await connection.fetchrow(_TOKEN, tenant_id, token_id, uid)
        return None if row is None else token_of(row)

    async def hold(self, connection: Db, tenant_id: str, uid: bytes) -> AgentIdentity | None:
        """Lock what was decided about an agent until the transaction ends; None when nothing was."""
        row = await connection.fetchrow(_IDENTITY, tenant_id, uid)
        return None if row is None else _identity_of(row)

    async def found(self, connection: Db, tenant_id: str, uid: bytes, approval: str) -> AgentIdentity:
        """Lock an agent's identity, making one with *approval* if there is none."""
        await connection.execute(_FOUND, tenant_id, uid, approval)
        held = await self.hold(connection, tenant_id, uid)
        if held is None:
            message = "an identity just made is gone"
            raise RuntimeError(message)
        return held

    async def admitted(self, connection: Db, tenant_id: str, uid: bytes) -> None:
        """Note that an agent was let in, by what it belongs to: it is about to be connected."""
        await connection.execute(_ADMITTED, tenant_id, uid)

    async def enrol(self, connection: Db, token: StoredToken, uid: bytes) -> bool:
        """
        Note that *token* enrolled an agent whose identity is locked; False = it had done so before.

        Of two that come at once with the same agent the second waits for the first, and finds it enrolled.
        """
        done = await connection.execute(_ENROL, token.tenant_id, token.id, uid)
        return not done.endswith(" 0")

    async def ties(self, connection: Db, tenant_id: str, uid: bytes, token_id: str) -> Ties:
        """Tell what ties an agent to this token or to others."""
        row = await connection.fetchrow(_TIES, tenant_id, uid, token_id)
        return Ties(**{name: value or type(getattr(_NO_TIES, name))() for name, value in _there(row).items()})

    async def bind(self, connection: Db, token: StoredToken, uid: bytes) -> None:
        """Let an agent that has an identity, and came by a token that keeps no list, belong to that token."""
        if await self.enrol(connection, token, uid):
            await connection.execute(_BIND, token.tenant_id, uid, token.id, dict(token.rules.labels))

    async def untie(self, connection: Db, tenant_id: str, uid: bytes, token_id: str) -> None:
        """Let an agent belong to no token but this one."""
        await connection.execute(_UNTIE, tenant_id, uid, token_id)

    async def consume(self, connection: Db, token: StoredToken) -> bool:
        """Use a token up by one, if it counts; False = it had no use left, or ended meanwhile: roll back."""
        if not token.rules.max_uses:
            return True
        return await connection.fetchval(_CONSUME, token.tenant_id, token.id) is not None

    async def stamp(
        self, connection: Db, tenant_id: str, uid: bytes, approval: str, token: StoredToken
    ) -> AgentIdentity:
        """Write down what a token makes of an agent; the identity must exist."""
        rules = token.rules
        row = await connection.fetchrow(
            _STAMP,
            tenant_id,
            uid,
            approval,
            dict(rules.labels),
            rules.ephemeral_seconds,
            "" if rules.issues == "none" else rules.issues,
            rules.credential_lifetime_seconds,
            token.id,
        )
        return _identity_of(_there(row))

    async def decide(self, connection: Db, key: Key, approval: str, author: str, comment: str) -> AgentIdentity:
        """Write down a decision; the identity must exist."""
        row = await connection.fetchrow(_DECIDE, *key, approval, author, comment)
        return _identity_of(_there(row))

    async def inherit(self, connection: Db, heir_uid: bytes, giver: AgentIdentity, origin_uid: bytes) -> AgentIdentity:
        """Let an agent that was given another id keep what it was enrolled with; its identity must exist."""
        row = await connection.fetchrow(
            _INHERIT,
            giver.tenant_id,
            heir_uid,
            dict(giver.stamped_labels),
            giver.enrolment_token_id,
            giver.ephemeral_seconds,
            giver.issues,
            giver.credential_lifetime_seconds,
            giver.uid,
            origin_uid,
        )
        if giver.enrolment_token_id:
            await connection.execute(_ENROL, giver.tenant_id, giver.enrolment_token_id, heir_uid)
        return _identity_of(_there(row))


def token_of(row: asyncpg.Record) -> StoredToken:
    """Read a row of _WANTED; has_absentees and enrolled where they were asked for."""
    return StoredToken(
        row["tenant_id"],
        row["id"],
        row["expires_at"],
        row["revoked_at"] is not None,
        row["uses"],
        rules_of(row),
        enrolled=row.get("enrolled", False),
        has_absentees=row.get("has_absentees", False),
    )


def _found_of(row: asyncpg.Record) -> Found:
    credential = None
    if row["c_id"] is not None:
        credential = StoredCredential(
            row["c_tenant_id"], row["c_id"], row["c_agent_uid"], row["c_kind"], row["c_state"], row["c_expires_at"]
        )
    return Found(
        None if row["id"] is None else token_of(row),
        credential,
        row["approval"] or "",
        row["stamped_labels"] or {},
        has_guarded=row["has_guarded"],
        has_policies=row["has_policies"],
    )


def _identity_of(row: Mapping[str, Any] | asyncpg.Record) -> AgentIdentity:
    return AgentIdentity(
        row["tenant_id"],
        row["agent_uid"],
        row["approval"],
        row["stamped_labels"],
        row["enrolment_token_id"],
        row["ephemeral_seconds"],
        row["issues"],
        row["credential_lifetime_seconds"],
        row["pending_csr"],
        row["former_uid"],
        row["origin_uid"],
    )


def _there(row: asyncpg.Record | None) -> asyncpg.Record:
    if row is None:
        message = "the identity is not there although it was locked"
        raise RuntimeError(message)
    return row
