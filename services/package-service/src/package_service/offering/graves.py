"""Deleted agents, for as long as something they said may still be under way: it must not bring them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from servicekit.postgres import Connection

_BURY = """
INSERT INTO package_grave (tenant_id, instance_uid, epoch) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, instance_uid) DO UPDATE
SET epoch = greatest(package_grave.epoch, excluded.epoch), deleted_at = now()
"""
_EPOCHS = "SELECT instance_uid, epoch FROM package_grave WHERE tenant_id = $1 AND instance_uid = ANY ($2::bytea[])"
# The stream of facts keeps them a day.
_PRUNE = "DELETE FROM package_grave WHERE deleted_at < now() - interval '2 days'"


async def bury(connection: Connection, tenant_id: str, uid: bytes, epoch: int) -> None:
    """
    Remember that an agent was deleted.

    Args:
        connection: Inside the transaction that removes its rows, alone with the tenant (matcher.exclude): between a
            look at the graves and a new row nobody may be buried.

        tenant_id: Whose agent.

        uid: 16 bytes.

        epoch: The newest connection it had; of a newer one it lives again.
    """
    await connection.execute(_BURY, tenant_id, uid, epoch)


async def epochs(connection: Connection, tenant_id: str, uids: Sequence[bytes]) -> dict[bytes, int]:
    """Tell up to which connection these agents are deleted; those that never were are left out."""
    if not uids:
        return {}
    rows = await connection.fetch(_EPOCHS, tenant_id, list(uids))
    return {row["instance_uid"]: row["epoch"] for row in rows}


async def prune(connection: Connection | asyncpg.Pool) -> None:
    """Forget those of whom nothing is under way any more."""
    await connection.execute(_PRUNE)
