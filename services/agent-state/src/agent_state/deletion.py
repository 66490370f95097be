"""Forget an agent: rows and event in one transaction, then its connection is closed."""

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
            await outbox.add(connection, [deleted(key, gone, now)])
        metrics.STATUS_CHANGES.labels(gone.status, "none").inc()
        if gone.link == "connected":
            await self._offers.close([Target(tenant_id, uid, gone.epoch, gone.gateway_id)])
