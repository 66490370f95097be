"""Whom an assignment decides for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.offering.target import TAKES_PACKAGES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    import asyncpg

    from servicekit.postgres import Connection

# Agents that may be offered packages, and would tell what became of them.
_POPULATION = """
SELECT p.instance_uid, t.labels FROM agent_package p
JOIN package_target t ON t.tenant_id = p.tenant_id AND t.instance_uid = p.instance_uid
WHERE p.tenant_id = $1 AND p.assignment_id = $2 AND NOT t.withheld AND t.capabilities & $3 = $3
ORDER BY p.instance_uid
"""
_MACHINES = """
SELECT t.platform, t.arch, count(*) AS agents FROM agent_package p
JOIN package_target t ON t.tenant_id = p.tenant_id AND t.instance_uid = p.instance_uid
WHERE p.tenant_id = $1 AND p.assignment_id = $2 AND NOT t.withheld AND t.capabilities & $3 = $3
GROUP BY t.platform, t.arch
"""


async def population(
    connection: Connection | asyncpg.Pool, tenant_id: str, assignment_id: UUID
) -> list[tuple[bytes, Mapping[str, str]]]:
    """
    List the agents the assignment wins for, with their labels, by uid.

    Connected or not; but only agents that accept packages and report what became of them, and never one that waits
    for approval: nothing is offered to it, so nobody who merely reaches a gateway can hold up a campaign. As of the
    last look at each, which follows a change of labels at once and a change of assignments within a second.
    """
    rows = await connection.fetch(_POPULATION, tenant_id, assignment_id, TAKES_PACKAGES)
    return [(row["instance_uid"], row["labels"]) for row in rows]


async def machines(
    connection: Connection | asyncpg.Pool, tenant_id: str, assignment_id: UUID
) -> dict[tuple[str, str], int]:
    """Count the same agents by platform and architecture; empty words = none there are packages for."""
    rows = await connection.fetch(_MACHINES, tenant_id, assignment_id, TAKES_PACKAGES)
    return {(row["platform"], row["arch"]): row["agents"] for row in rows}
