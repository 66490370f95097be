"""
Forget an agent: rows and event in one transaction, then its connection is closed.

What was decided about it stays, and so do its credentials: forgetting neither bars an agent nor lets a barred one in.
But the next token an approved one shows may enrol it anew, unless it has come by a credential of its own before.
Only an ephemeral agent takes all of it along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_state import metrics
from agent_state.errors import AgentNotFound
from agent_state.offers import Target
from agent_state.publisher import deleted
from servicekit import outbox

if TYPE_CHECKING:
    import asyncpg

    from agent_state.agent_store import AgentStore
    from agent_state.offers import Offers

_IDENTITY_TABLES = ("agent_identity", "enrolment", "agent_credential")
_RELEASE = """
UPDATE agent_identity SET released_at = now() WHERE tenant_id = $1 AND agent_uid = $2 AND approval = 'approved'
"""
# The partition is held, so that no connection of the agent begins meanwhile.
_OVERDUE = """
SELECT 1 FROM agent_identity i
LEFT JOIN agent a ON a.tenant_id = i.tenant_id AND a.agent_uid = i.agent_uid
WHERE i.tenant_id = $1 AND i.agent_uid = $2 AND i.ephemeral_seconds > 0 AND i.approval IN ('approved', 'pending')
  AND a.link IS DISTINCT FROM 'connected'
  AND greatest(a.last_disconnected_at, i.admitted_at) < now() - make_interval(secs => i.ephemeral_seconds)
FOR UPDATE OF i
"""


class Deletion:
    """
    Deletes agents.

    Facts of the dead connection that are still under way are ignored (the tombstone holds its epoch); the agent that
    connects again is a new one, and is asked for everything.
    """

    def __init__(self, pool: asyncpg.Pool, agents: AgentStore, offers: Offers) -> None:
        self._pool = pool
        self._agents = agents
        self._offers = offers

    async def delete(self, tenant_id: str, uid: bytes) -> None:
        """
        Forget one agent.

        The gateway may be away: its agent is closed as soon as it is heard of again (see presence).

        Raises:
            AgentNotFound: There is none; also on the second call.
        """
        key = (tenant_id, uid)
        async with self._pool.acquire() as connection, connection.transaction():
            now, _ = await self._agents.begin(connection, [key])
            gone = await self._agents.delete(connection, tenant_id, uid)
            if gone is None:
                raise AgentNotFound
            await connection.execute(_RELEASE, *key)
            await outbox.add(connection, [deleted(key, gone, now)])
        metrics.STATUS_CHANGES.labels(gone.status, "none").inc()
        if gone.link == "connected":
            await self._offers.close([Target(tenant_id, uid, gone.epoch, gone.gateway_id)])

    async def forget_ephemeral(self, tenant_id: str, uid: bytes) -> bool:
        """
        Forget an agent, its credentials and its enrolment, if it is ephemeral and was away for its time.

        Coming back it is a new agent, and uses its token anew.

        Returns:
            False when it is connected again, or not ephemeral any more.
        """
        key = (tenant_id, uid)
        async with self._pool.acquire() as connection, connection.transaction():
            now, _ = await self._agents.begin(connection, [key])
            if await connection.fetchval(_OVERDUE, tenant_id, uid) is None:
                return False
            gone = await self._agents.delete(connection, tenant_id, uid)
            for table in _IDENTITY_TABLES:
                await connection.execute(
                    f"DELETE FROM {table} WHERE tenant_id = $1 AND agent_uid = $2",  # noqa: S608 - a constant name
                    tenant_id,
                    uid,
                )
            if gone is not None:
                await outbox.add(connection, [deleted(key, gone, now)])
        if gone is not None:
            metrics.STATUS_CHANGES.labels(gone.status, "none").inc()
        return True
