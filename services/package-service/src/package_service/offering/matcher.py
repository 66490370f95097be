"""
What agents of a tenant should have, from memory, correct while assignments and files change.

A tenant has one advisory lock. Whoever matches agents holds it shared, whoever changes what they are matched against
holds it alone; both until commit. So a change sees every agent described before it, and an agent described after it
is matched against the change: none falls between. The generation, read under the lock, tells each replica whether
its index is still the current one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.offering import index_store

if TYPE_CHECKING:
    from package_service.offering.index_store import Signatures
    from package_service.offering.resolve import Index
    from servicekit.postgres import Connection

_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtext(current_schema() || '/offering'), hashtext($1))"
_ALONE = "SELECT pg_advisory_xact_lock(hashtext(current_schema() || '/offering'), hashtext($1))"
_GENERATION = "SELECT generation FROM offering_generation WHERE tenant_id = $1"
_BUMP = """
INSERT INTO offering_generation (tenant_id, generation) VALUES ($1, 1)
ON CONFLICT (tenant_id) DO UPDATE SET generation = offering_generation.generation + 1
"""


async def begin_change(connection: Connection, tenant_id: str) -> None:
    """Keep everybody else of the tenant from matching until the transaction ends, and have them look anew then."""
    await connection.execute(_ALONE, tenant_id)
    await connection.execute(_BUMP, tenant_id)


async def exclude(connection: Connection, tenant_id: str) -> None:
    """Keep everybody else of the tenant from matching until the transaction ends; what they match against stays."""
    await connection.execute(_ALONE, tenant_id)


class Matcher:
    """
    Holds one index per tenant.

    Args:
        signatures: Gives the signatures files are offered with.

        public_url: Where agents fetch files; empty = nothing can be offered.
    """

    def __init__(self, signatures: Signatures, public_url: str) -> None:
        self._signatures = signatures
        self._public_url = public_url
        self._indexes: dict[str, tuple[int, Index]] = {}

    async def index(self, connection: Connection, tenant_id: str) -> Index:
        """Return the index, current until the transaction ends: changes wait for it."""
        await connection.execute(_SHARED, tenant_id)
        generation: int = await connection.fetchval(_GENERATION, tenant_id) or 0
        known = self._indexes.get(tenant_id)
        if known is not None and known[0] == generation:
            return known[1]
        index = await index_store.load(connection, tenant_id, self._signatures, self._public_url)
        self._indexes[tenant_id] = (generation, index)
        return index
