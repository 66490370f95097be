"""Agents' own credentials in the database. Every method runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent_state.credential import CANDIDATE, Credential

if TYPE_CHECKING:
    import asyncpg

    from agent_state.folding import Key
    from servicekit.postgres import Connection as Db

COLUMNS = """tenant_id, id, agent_uid, kind, state, proof_hash, version, created_at, expires_at, first_used_at,
  ended_at, revoked_by, enrolment_token_id, certificate_pem"""

_NEXT_VERSION = """
UPDATE agent_identity SET credential_version = credential_version + 1
WHERE tenant_id = $1 AND agent_uid = $2 RETURNING credential_version, date_trunc('second', now()) AS now
"""
_ADD = f"""
INSERT INTO agent_credential ({COLUMNS}, renew_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""  # noqa: S608 - constants
_LIVE = f"""
SELECT {COLUMNS} FROM agent_credential
WHERE tenant_id = $1 AND agent_uid = $2 AND state IN ('candidate', 'current') AND expires_at > now()
ORDER BY version DESC LIMIT 20
"""  # noqa: S608 - constants
_GET = f"SELECT {COLUMNS} FROM agent_credential WHERE tenant_id = $1 AND id = $2"  # noqa: S608 - constants
_LIST = f"""
SELECT {COLUMNS} FROM agent_credential
WHERE tenant_id = $1 AND agent_uid = $2 AND ($3::timestamptz IS NULL OR (created_at, version) < ($3, $4))
ORDER BY created_at DESC, version DESC LIMIT $5 OFFSET $6
"""  # noqa: S608 - constants
_COUNT = "SELECT count(*) FROM agent_credential WHERE tenant_id = $1 AND agent_uid = $2"
_USED = """unnest($1::text[], $2::bytea[], $3::text[]) AS i (tenant_id, agent_uid, id)
  JOIN agent_credential u ON u.tenant_id = i.tenant_id AND u.id = i.id AND u.agent_uid = i.agent_uid"""
_SUPERSEDE = f"""
UPDATE agent_credential o SET state = 'superseded', ended_at = now()
FROM (SELECT DISTINCT u.tenant_id, u.agent_uid, u.id, u.version FROM {_USED} WHERE u.state = 'candidate') u
WHERE o.tenant_id = u.tenant_id AND o.agent_uid = u.agent_uid AND o.state IN ('candidate', 'current')
  AND (o.version, o.id) < (u.version, u.id)
RETURNING o.tenant_id, o.id
"""  # noqa: S608 - constants
_PROMOTE = f"""
UPDATE agent_credential c SET state = 'current', first_used_at = coalesce(c.first_used_at, now())
FROM (SELECT DISTINCT u.tenant_id, u.id FROM {_USED}) u
WHERE c.tenant_id = u.tenant_id AND c.id = u.id AND c.state = 'candidate'
RETURNING c.kind
"""  # noqa: S608 - constants
_REVOKE = f"""
UPDATE agent_credential SET state = 'revoked', revoked_by = $4, ended_at = now()
WHERE tenant_id = $1 AND agent_uid = $2 AND ($3 = '' OR id = $3) AND state <> 'revoked'
  AND ($3 <> '' OR state IN ('candidate', 'current'))
RETURNING {COLUMNS}
"""  # noqa: S608 - constants
_END = """
UPDATE agent_credential SET state = 'superseded', ended_at = now()
WHERE tenant_id = $1 AND agent_uid = $2 AND state IN ('candidate', 'current')
"""
_DROP_UNUSED = """
DELETE FROM agent_credential
WHERE tenant_id = $1 AND agent_uid = $2 AND kind = 'certificate' AND state = 'superseded' AND first_used_at IS NULL
"""
_END_UNUSED = f"{_END} AND kind = 'certificate' AND state = 'candidate'"
_FORGET = "DELETE FROM agent_credential WHERE tenant_id = $1 AND agent_uid = $2 RETURNING id"


class CredentialStore:
    """Writes and reads credentials; an agent's identity row is locked by whoever makes or revokes one."""

    async def next_version(self, connection: Db, tenant_id: str, uid: bytes) -> tuple[int, datetime]:
        """Count one more credential of an agent; return its number and the time, in whole seconds."""
        row = await connection.fetchrow(_NEXT_VERSION, tenant_id, uid)
        if row is None:
            message = "credentials are made for agents that have an identity"
            raise RuntimeError(message)
        return row["credential_version"], row["now"]

    async def now(self, connection: Db) -> datetime:
        """Tell database time."""
        now: datetime = await connection.fetchval("SELECT now()")
        return now

    async def add(self, connection: Db, credential: Credential) -> None:
        """Keep a new credential."""
        await connection.execute(
            _ADD,
            credential.tenant_id,
            credential.id,
            credential.uid,
            credential.kind,
            credential.state,
            credential.proof_hash,
            credential.version,
            credential.created_at,
            credential.expires_at,
            credential.first_used_at,
            credential.ended_at,
            credential.revoked_by,
            credential.enrolment_token_id,
            credential.certificate_pem,
            credential.renew_at,
        )

    async def live(self, connection: Db, tenant_id: str, uid: bytes) -> list[Credential]:
        """List what lets an agent in, newest first."""
        return [credential_of(row) for row in await connection.fetch(_LIVE, tenant_id, uid)]

    async def get(self, connection: Db, tenant_id: str, credential_id: str) -> Credential | None:
        """Find one by its id."""
        row = await connection.fetchrow(_GET, tenant_id, credential_id)
        return None if row is None else credential_of(row)

    async def used(self, connection: Db, uses: Sequence[tuple[Key, str]]) -> tuple[list[str], list[tuple[str, str]]]:
        """
        Note that agents connected with these credentials; ((tenant, uid), credential id) each.

        Returns:
            Kinds of the candidates that became current, and (tenant, id) of what they superseded. Nothing for
            credentials already in use.
        """
        ordered = sorted(set(uses))
        columns = [
            [tenant_id for (tenant_id, _), _ in ordered],
            [uid for (_, uid), _ in ordered],
            [credential_id for _, credential_id in ordered],
        ]
        ended = await connection.fetch(_SUPERSEDE, *columns)
        promoted = await connection.fetch(_PROMOTE, *columns)
        return [row["kind"] for row in promoted], [(row["tenant_id"], row["id"]) for row in ended]

    async def revoke(
        self, connection: Db, tenant_id: str, uid: bytes, credential_id: str, author: str
    ) -> list[Credential]:
        """Revoke one credential, or with an empty id all that are alive; return those that were not revoked before."""
        rows = await connection.fetch(_REVOKE, tenant_id, uid, credential_id, author)
        return [credential_of(row) for row in rows]

    async def supersede(self, connection: Db, tenant_id: str, uid: bytes) -> None:
        """End all that let an agent in; gateways hear of it by the sweep."""
        await connection.execute(_END, tenant_id, uid)

    async def end_unused_certificates(self, connection: Db, tenant_id: str, uid: bytes) -> None:
        """End certificates an agent asked for and never used, and forget those that ended so before."""
        await connection.execute(_DROP_UNUSED, tenant_id, uid)
        await connection.execute(_END_UNUSED, tenant_id, uid)

    async def forget(self, connection: Db, tenant_id: str, uid: bytes) -> list[str]:
        """Remove an agent's credentials; return their ids."""
        return [row["id"] for row in await connection.fetch(_FORGET, tenant_id, uid)]

    async def list(
        self,
        connection: Db | asyncpg.Pool,
        key: Key,
        limit: int,
        offset: int,
        after: tuple[datetime, int] | None,
    ) -> tuple[list[Credential], int]:
        """List an agent's credentials, newest first, ended ones included; also tell how many there are."""
        created_at, version = after if after is not None else (None, None)
        rows = await connection.fetch(_LIST, *key, created_at, version, limit, offset)
        total: int = await connection.fetchval(_COUNT, *key)
        return [credential_of(row) for row in rows], total


def candidate(
    key: Key, credential_id: str, kind: str, numbered: tuple[int, datetime], lifetime: timedelta
) -> Credential:
    """Lay out a credential that next_version() has numbered; its proof hash follows from its text."""
    version, created_at = numbered
    return Credential(key[0], credential_id, key[1], kind, CANDIDATE, b"", version, created_at, created_at + lifetime)


def credential_of(row: asyncpg.Record) -> Credential:
    """Read a row of COLUMNS."""
    return Credential(*row.values())
