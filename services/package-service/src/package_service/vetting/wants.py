"""
Taking back what was wanted once: files nobody may be offered now need not be read any more.

Whoever wants a file again says so again, and it is read before anybody is offered it, as the first time.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from package_service import package_changes
from package_service.versions import is_prerelease, newest_first

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from servicekit.postgres import Connection

REACH = 10
"""`latest` to `latest-9` look at so many versions that nothing speaks against."""

# Needed is what an agent's list or wish names, what it says it has (a failed upgrade leaves it that), what an enabled
# assignment, a choice, or a campaign that lives may offer, and what a manifest vouches for.
_UNNEEDED = """
WITH reported AS MATERIALIZED (
    SELECT DISTINCT t.tenant_id, r.key AS name, r.value ->> 0 AS version
    FROM package_target t, jsonb_each(t.reported) AS r
), needed AS MATERIALIZED (
    SELECT tenant_id, name, version FROM reported
    UNION SELECT tenant_id, package, version FROM package_assignment WHERE enabled
    UNION SELECT a.tenant_id, a.package, c.version FROM package_choice c
        JOIN package_assignment a ON a.tenant_id = c.tenant_id AND a.assignment_id = c.assignment_id
    UNION SELECT tenant_id, package, unnest(ARRAY[from_version, to_version]) FROM campaign
        WHERE state IN ('running', 'paused', 'halted')
)
SELECT f.tenant_id, f.file_id, f.name, f.version, f.platform, f.vet_refusal, f.active AND EXISTS (
    SELECT FROM package_assignment a
    WHERE a.tenant_id = f.tenant_id AND a.package = f.name AND a.enabled AND a.version LIKE 'latest%'
) AS floating
FROM package_file f
WHERE coalesce(f.wanted_at, f.vetted_at) < now() - make_interval(secs => $1) AND f.damaged_at IS NULL
  AND (NOT f.active OR NOT (
    EXISTS (SELECT FROM needed n WHERE n.tenant_id = f.tenant_id AND n.name = f.name AND n.version = f.version)
    OR EXISTS (SELECT FROM agent_package p WHERE p.tenant_id = f.tenant_id AND p.file_id = f.file_id)
    OR EXISTS (SELECT FROM agent_package p WHERE p.tenant_id = f.tenant_id AND p.listed_file_id = f.file_id)
    OR EXISTS (SELECT FROM package_manifest m WHERE m.tenant_id = f.tenant_id AND m.expires_at > now())
  ))
ORDER BY f.tenant_id, f.file_id
"""
_WITHOUT_REFUSAL = """
SELECT DISTINCT platform, version FROM package_file
WHERE tenant_id = $1 AND name = $2 AND active AND damaged_at IS NULL AND vet_refusal = ''
"""
_FORGET = """
UPDATE package_file SET wanted_at = NULL, vetted_at = NULL, vetted_mark = '', vet_refusal = ''
WHERE tenant_id = $1 AND file_id = ANY ($2::uuid[]) AND damaged_at IS NULL RETURNING name, active
"""


async def take_back(connection: Connection, older_seconds: float) -> int:
    """
    Let files not be vetted any more that nobody may be offered now.

    Args:
        connection: In a transaction.

        older_seconds: Only what was wanted so long ago: whoever wants it now may be about to say why.

    Returns:
        How many files.
    """
    in_reach: dict[tuple[str, str], set[tuple[str, str]]] = {}
    unneeded: dict[str, list[UUID]] = defaultdict(list)
    for row in await connection.fetch(_UNNEEDED, older_seconds):
        if row["floating"]:
            key = row["tenant_id"], row["name"]
            if key not in in_reach:
                in_reach[key] = _newest(await connection.fetch(_WITHOUT_REFUSAL, *key))
            if row["vet_refusal"] or (row["platform"], row["version"]) in in_reach[key]:
                continue
        unneeded[row["tenant_id"]].append(row["file_id"])
    for tenant_id, file_ids in unneeded.items():
        rows = await connection.fetch(_FORGET, tenant_id, file_ids)
        await package_changes.note(connection, [(tenant_id, row["name"]) for row in rows if row["active"]])
    return sum(map(len, unneeded.values()))


def _newest(rows: list[asyncpg.Record]) -> set[tuple[str, str]]:
    """Find platform and version of what `latest-N` may come to, in either channel."""
    by_platform: dict[str, list[str]] = defaultdict(list)
    for row in newest_first(rows, lambda row: str(row["version"])):
        by_platform[row["platform"]].append(row["version"])
    return {
        (platform, version)
        for platform, versions in by_platform.items()
        for version in (*versions[:REACH], *[each for each in versions if not is_prerelease(each)][:REACH])
    }
