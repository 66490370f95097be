"""Who needs a file: what may not be removed or switched off for now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.errors import PackageInUse
from package_service.offering import matcher
from servicekit.errors import Problem

if TYPE_CHECKING:
    from package_service.file_store import File
    from servicekit.postgres import Connection

MOST_NAMED = 20

_AGENTS = """
SELECT coalesce(a.name, '') AS name, count(*) AS agents FROM agent_package p
LEFT JOIN package_assignment a ON a.tenant_id = p.tenant_id AND a.assignment_id = p.assignment_id
WHERE p.tenant_id = $1 AND p.package = $2 AND (p.file_id = $3 OR p.listed_file_id = $3)
GROUP BY 1 ORDER BY 1 LIMIT $4
"""
_PINS = """
SELECT a.name FROM package_assignment a
WHERE a.tenant_id = $1 AND a.package = $2 AND a.enabled AND (a.version = $3 OR EXISTS (
    SELECT FROM package_choice c
    WHERE c.tenant_id = a.tenant_id AND c.assignment_id = a.assignment_id AND c.version = $3))
ORDER BY a.name LIMIT $4
"""
# Whether anybody was admitted yet or not.
_CAMPAIGNS = """
SELECT name, to_version = $3 AS is_goal FROM campaign
WHERE tenant_id = $1 AND package = $2 AND $3 IN (from_version, to_version)
  AND state IN ('running', 'paused', 'halted')
ORDER BY name LIMIT $4
"""


async def refuse_in_use(connection: Connection, file: File) -> None:
    """
    Refuse while somebody needs this file; nobody begins to until the transaction ends.

    Raises:
        PackageInUse: Agents have it on their lists, an assignment names its version, or a campaign that lives brings
            agents to it or back to it.
    """
    await matcher.begin_change(connection, file.tenant_id)
    offered = await connection.fetch(_AGENTS, file.tenant_id, file.name, file.file_id, MOST_NAMED)
    users = {row["name"]: f"offers it to {_counted(row['agents'])}" for row in offered}
    for row in await connection.fetch(_PINS, file.tenant_id, file.name, file.version, MOST_NAMED):
        users.setdefault(row["name"], f"names version {file.version}")
    named = sorted(users.items())[:MOST_NAMED]
    found = [Problem("assignment", f"{name} {what}" if name else f"a removed one {what}") for name, what in named]
    for row in await connection.fetch(_CAMPAIGNS, file.tenant_id, file.name, file.version, MOST_NAMED):
        what = "brings agents to it" if row["is_goal"] else "brings agents back to it"
        found.append(Problem("campaign", f"{row['name']} {what}"))
    if found:
        raise PackageInUse(file.label, found)


def _counted(agents: int) -> str:
    return "1 agent" if agents == 1 else f"{agents} agents"
