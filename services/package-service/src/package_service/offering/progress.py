"""How far agents are with the package of one assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from package_service.offering.target import TAKES_PACKAGES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from servicekit.postgres import Connection

_OF = """
SELECT p.instance_uid, p.version, p.state, p.error, t.healthy, t.connected, p.since FROM agent_package p
JOIN package_target t ON t.tenant_id = p.tenant_id AND t.instance_uid = p.instance_uid
WHERE p.tenant_id = $1 AND p.assignment_id = $2 AND p.instance_uid = ANY ($3)
  AND NOT t.withheld AND t.capabilities & $4 = $4
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one agent stands."""

    version: str
    """The version it should have as of the last look at it; empty when none fits its machine."""

    state: str
    """pending, offered, downloading, installing, installed, failed, rolled_back or timed_out: of that version."""

    error: str
    healthy: bool | None
    connected: bool
    since: datetime
    """When it came into this state."""


async def of(
    connection: Connection | asyncpg.Pool, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes]
) -> dict[bytes, Progress]:
    """Tell where these agents stand; one that is not of the assignment's population (any more) is left out."""
    rows = await connection.fetch(_OF, tenant_id, assignment_id, list(uids), TAKES_PACKAGES)
    return {
        row["instance_uid"]: Progress(
            row["version"], row["state"], row["error"], row["healthy"], row["connected"], row["since"]
        )
        for row in rows
    }
