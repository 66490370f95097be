"""
Which configuration an agent matches, from memory, correct while configurations change.

A tenant has one advisory lock. Whoever matches agents holds it shared, whoever changes configurations holds it
alone; both until commit. So a change sees every agent described before it, and an agent described after it is
matched against the change: none falls between. The generation, read under the lock, tells each replica
whether its index is still the current one; no notification needs to arrive for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from config_service import configuration_store
from config_service.selector import CandidateIndex

if TYPE_CHECKING:
    from servicekit.postgres import Connection

_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtext(current_schema() || '/matching'), hashtext($1))"
_ALONE = "SELECT pg_advisory_xact_lock(hashtext(current_schema() || '/matching'), hashtext($1))"
_GENERATION = "SELECT generation FROM configuration_generation WHERE tenant_id = $1"
_BUMP = """
INSERT INTO configuration_generation (tenant_id, generation) VALUES ($1, 1)
ON CONFLICT (tenant_id) DO UPDATE SET generation = configuration_generation.generation + 1
"""


class Matcher:
    """
    Holds one index per tenant.

    Args:
        fallback: Name of the configuration for agents that nothing matches; empty = none.
    """

    def __init__(self, fallback: str = "") -> None:
        self.fallback = fallback
        self._indexes: dict[str, tuple[int, CandidateIndex]] = {}

    async def index(self, connection: Connection, tenant_id: str) -> CandidateIndex:
        """Return the index, current until the transaction ends: changes wait for it."""
        await connection.execute(_SHARED, tenant_id)
        return await self.glance(connection, tenant_id)

    async def glance(self, connection: Connection, tenant_id: str) -> CandidateIndex:
        """Return the index of this moment without keeping changes away; for answers, not for decisions."""
        generation: int = await connection.fetchval(_GENERATION, tenant_id) or 0
        known = self._indexes.get(tenant_id)
        if known is not None and known[0] == generation:
            return known[1]
        index = await self._load(connection, tenant_id)
        self._indexes[tenant_id] = (generation, index)
        return index

    async def begin_change(self, connection: Connection, tenant_id: str) -> None:
        """Keep everybody else of the tenant from matching and changing until the transaction ends."""
        await connection.execute(_ALONE, tenant_id)

    async def index_of_change(self, connection: Connection, tenant_id: str) -> CandidateIndex:
        """Return the index as it is inside the change, and let every replica know once it is committed."""
        await connection.execute(_BUMP, tenant_id)
        return await self._load(connection, tenant_id)

    async def _load(self, connection: Connection, tenant_id: str) -> CandidateIndex:
        return CandidateIndex(await configuration_store.candidates(connection, tenant_id), fallback=self.fallback)
