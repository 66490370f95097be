"""Connection settings policies in the database: the only place with SQL about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_state.errors import PolicyNotFound, PolicyVersionMismatch
from agent_state.settings_policy import Policy, in_precedence
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    import asyncpg

    from servicekit.postgres import Connection as Db

_COLUMNS = "tenant_id, name, selector, priority, settings, version, created_at, updated_at, author"
_GET = f"SELECT {_COLUMNS} FROM connection_settings_policy WHERE tenant_id = $1 AND name = $2"  # noqa: S608 - constants
_GET_FOR_UPDATE = f"{_GET} FOR UPDATE"
_CURRENT = f"SELECT {_COLUMNS} FROM connection_settings_policy WHERE tenant_id = $1"  # noqa: S608 - constants
_PUT = f"""
INSERT INTO connection_settings_policy AS p (tenant_id, name, selector, priority, settings, version, author)
VALUES ($1, $2, $3, $4, $5, 1, $6)
ON CONFLICT (tenant_id, name) DO UPDATE
SET selector = excluded.selector, priority = excluded.priority, settings = excluded.settings,
    author = excluded.author, version = p.version + 1, updated_at = now()
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants
_DELETE = "DELETE FROM connection_settings_policy WHERE tenant_id = $1 AND name = $2 RETURNING version"
_LIST = f"""
SELECT {_COLUMNS} FROM connection_settings_policy
WHERE tenant_id = $1 AND ($2::text IS NULL OR name > $2) ORDER BY name LIMIT $3 OFFSET $4
"""  # noqa: S608 - constants
_COUNT = "SELECT count(*) FROM connection_settings_policy WHERE tenant_id = $1"
_GENERATION = "SELECT generation FROM connection_settings_generation WHERE tenant_id = $1"
_NEXT_GENERATION = """
INSERT INTO connection_settings_generation AS g (tenant_id, generation) VALUES ($1, 1)
ON CONFLICT (tenant_id) DO UPDATE SET generation = g.generation + 1
"""
_TENANTS = """
SELECT g.tenant_id, g.generation,
  EXISTS (SELECT FROM connection_settings_policy p WHERE p.tenant_id = g.tenant_id) AS has_policies
FROM connection_settings_generation g
"""
_RETRIES = "SELECT retries FROM agent_connection_settings WHERE tenant_id = $1 AND agent_uid = $2"

MAX_POLICIES = 500
"""Per tenant; every composed offer looks at all of them."""


class SettingsPolicyStore:
    """Writes and reads policies. Methods taking a connection run inside the caller's transaction."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, list[Policy]]] = {}

    async def put(self, connection: Db, policy: Policy, expected_version: int) -> Policy:
        """
        Create or replace; return it as stored.

        Raises:
            PolicyVersionMismatch: *expected_version* is not 0 and not that of what is stored.
        """
        # First: it keeps writers of one tenant apart, so that nobody sees a generation without its policies.
        await connection.execute(_NEXT_GENERATION, policy.tenant_id)
        if expected_version:
            stored = await connection.fetchval(_GET_FOR_UPDATE, policy.tenant_id, policy.name, column=5)
            if stored != expected_version:
                raise PolicyVersionMismatch
        row = await connection.fetchrow(
            _PUT,
            policy.tenant_id,
            policy.name,
            dict(policy.selector),
            policy.priority,
            policy.settings.SerializeToString(deterministic=True),
            policy.author,
        )
        assert row is not None  # noqa: S101 - INSERT … RETURNING
        return _policy(row)

    async def get(self, connection: Db | asyncpg.Pool, tenant_id: str, name: str) -> Policy:
        """
        Return one policy.

        Raises:
            PolicyNotFound: There is none of that name.
        """
        row = await connection.fetchrow(_GET, tenant_id, name)
        if row is None:
            raise PolicyNotFound
        return _policy(row)

    async def find(self, connection: Db, tenant_id: str, name: str) -> Policy | None:
        """Return one policy, which nobody changes until the transaction ends; None when there is none."""
        row = await connection.fetchrow(_GET_FOR_UPDATE, tenant_id, name)
        return None if row is None else _policy(row)

    async def delete(self, connection: Db, tenant_id: str, name: str) -> None:
        """
        Delete one policy.

        Raises:
            PolicyNotFound: There is none of that name; also on the second call.
        """
        await connection.execute(_NEXT_GENERATION, tenant_id)
        if await connection.fetchval(_DELETE, tenant_id, name) is None:
            raise PolicyNotFound

    async def list(
        self, connection: Db | asyncpg.Pool, tenant_id: str, limit: int, offset: int, after: str | None
    ) -> tuple[list[Policy], int]:
        """List by name; also tell how many there are."""
        rows = await connection.fetch(_LIST, tenant_id, after, limit, offset)
        return [_policy(row) for row in rows], await self.count(connection, tenant_id)

    async def count(self, connection: Db | asyncpg.Pool, tenant_id: str) -> int:
        """Tell how many policies a tenant has."""
        found: int = await connection.fetchval(_COUNT, tenant_id)
        return found

    async def current(self, connection: Db, tenant_id: str) -> Sequence[Policy]:
        """Return a tenant's policies in order of precedence; read again only when they changed."""
        generation: int | None = await connection.fetchval(_GENERATION, tenant_id)
        if generation is None:
            return []
        known = self._known.get(tenant_id)
        if known is None or known[0] != generation:
            policies = in_precedence([_policy(row) for row in await connection.fetch(_CURRENT, tenant_id)])
            known = self._known[tenant_id] = (generation, policies)
        return known[1]

    async def generation(self, connection: Db, tenant_id: str) -> int:
        """Tell how often a tenant's policies changed."""
        return await connection.fetchval(_GENERATION, tenant_id) or 0

    async def tenants(self, pool: asyncpg.Pool) -> dict[str, tuple[int, bool]]:
        """Tell (generation, whether there are policies now) of every tenant that ever had any."""
        return {row["tenant_id"]: (row["generation"], row["has_policies"]) for row in await pool.fetch(_TENANTS)}

    async def retries(self, connection: Db, tenant_id: str, uid: bytes) -> int:
        """Tell how often a person asked for another try at an agent's settings."""
        return await connection.fetchval(_RETRIES, tenant_id, uid) or 0


def _policy(row: asyncpg.Record) -> Policy:
    return Policy(
        row["tenant_id"],
        row["name"],
        opamp.ConnectionSettingsOffers.FromString(row["settings"]),
        row["selector"],
        row["priority"],
        row["version"],
        row["created_at"],
        row["updated_at"],
        row["author"],
    )
