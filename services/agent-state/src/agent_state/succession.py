"""
Agents that the platform gave another id: clones, and those that asked for one.

OpAMP "Using instance_uid in the CSR": a credential of the former id is good for the new one, until that has its own.
Each heir is one agent more, so it is paid for like one: by a use of the token its family came by. Where there is none
left, a family may have one heir at a time, for the agent that only moved. Who revokes an agent revokes its heirs.

Lock order: the first of the family, the giver, the heir. Like everything here inside the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_state.enrolment import APPROVED, TOKEN_REVOKED
from agent_state.errors import AgentRefused
from agent_state.verdicts import closed_sentence

if TYPE_CHECKING:
    from agent_state.credential import Credential
    from agent_state.folding import Key
    from agent_state.identity_store import AgentIdentity, IdentityStore
    from servicekit.postgres import Connection as Db

NO_MORE_IDS = (
    "The agent this credential belongs to was given another id before, and its enrolment token enrols no more agents. "
    "Enrol this agent with a token of its own, or delete the other one."
)

_ORIGIN = "SELECT coalesce(origin_uid, agent_uid) FROM agent_identity WHERE tenant_id = $1 AND agent_uid = $2"
# Whoever has an id already: decided about, with a credential, or connected by something else than who asks.
_TAKEN = """
SELECT EXISTS (SELECT FROM agent_credential WHERE tenant_id = $1 AND agent_uid = $2)
  OR EXISTS (SELECT FROM agent WHERE tenant_id = $1 AND agent_uid = $2 AND credential_id <> $3)
"""
_FAMILY = """
SELECT count(*) FROM agent_identity
WHERE tenant_id = $1 AND origin_uid = $2 AND approval IN ('approved', 'pending') AND released_at IS NULL
"""
_DESCENT = """
WITH RECURSIVE heir AS (
  SELECT agent_uid, 1 AS depth FROM agent_identity WHERE tenant_id = $1 AND origin_uid = $3 AND former_uid = $2
  UNION
  SELECT i.agent_uid, h.depth + 1 FROM heir h
  JOIN agent_identity i ON i.tenant_id = $1 AND i.origin_uid = $3 AND i.former_uid = h.agent_uid)
SELECT agent_uid FROM heir ORDER BY depth, agent_uid
"""
_NOW = "SELECT now()"


class Succession:
    """Says who goes on under another id."""

    def __init__(self, identities: IdentityStore) -> None:
        self._identities = identities

    async def succeed(
        self, connection: Db, key: Key, credential: Credential, *, is_new: bool = True
    ) -> AgentIdentity | None:
        """
        Let the agent of *credential* go on under another id; locks both identities.

        Only under an id that is nobody's yet, or was this agent's before.

        Args:
            connection: The caller's transaction.

            key: The other id.

            credential: Names the former one.

            is_new: Whether the platform may just have given it; False asks for ids known to be given.

        Returns:
            None when the id is another agent's.

        Raises:
            AgentRefused: There may be no more agents of this family.
        """
        tenant_id, former_uid = credential.tenant_id, credential.uid
        origin_uid = await connection.fetchval(_ORIGIN, tenant_id, former_uid) or former_uid
        await self._identities.hold(connection, tenant_id, origin_uid)
        giver = await self._identities.found(connection, tenant_id, former_uid, APPROVED)
        heir = await self._identities.hold(connection, *key)
        if heir is not None:
            return heir if heir.former_uid == former_uid else None
        if not is_new or await connection.fetchval(_TAKEN, *key, credential.id):
            return None
        await self._pay(connection, giver, origin_uid)
        _ = await self._identities.found(connection, *key, giver.approval)
        return await self._identities.inherit(connection, key[1], giver, origin_uid)

    async def heirs(self, connection: Db, identity: AgentIdentity) -> list[bytes]:
        """List whoever came of an agent, heirs of heirs included, in the order they must be locked in."""
        origin_uid = identity.origin_uid or identity.uid
        rows = await connection.fetch(_DESCENT, identity.tenant_id, identity.uid, origin_uid)
        return [row["agent_uid"] for row in rows]

    async def _pay(self, connection: Db, giver: AgentIdentity, origin_uid: bytes) -> None:
        token_id = giver.enrolment_token_id
        token = await self._identities.token(connection, giver.tenant_id, token_id, giver.uid) if token_id else None
        if token is not None:
            if token.revoked:
                raise AgentRefused(TOKEN_REVOKED)
            now = await connection.fetchval(_NOW)
            if not closed_sentence(token, now) and await self._identities.consume(connection, token):
                return
        if await connection.fetchval(_FAMILY, giver.tenant_id, origin_uid):
            raise AgentRefused(NO_MORE_IDS)
