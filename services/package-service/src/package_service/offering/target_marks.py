"""
Saying that what an agent should have must be found out again; whoever is first does so, see worker.py.

Rows are locked in order of uid before they are changed, as everybody does who locks several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from servicekit.postgres import Connection

_MARK = """
WITH locked AS (
    SELECT instance_uid FROM package_target WHERE tenant_id = $1 AND instance_uid = ANY ($2)
    ORDER BY instance_uid FOR UPDATE
)
UPDATE package_target t SET dirty = true, due_at = clock_timestamp()
FROM locked WHERE t.tenant_id = $1 AND t.instance_uid = locked.instance_uid
"""

_MEANT = """
SELECT t.instance_uid FROM package_target t
WHERE t.tenant_id = $1 AND (
    ($3::jsonb <> '{}'::jsonb AND t.labels @> $3::jsonb)
    OR (t.stamped_labels ->> 'group') = ANY ($4::text[])
    OR t.instance_uid = ANY ($5::bytea[])
    OR EXISTS (SELECT FROM agent_package p
               WHERE p.tenant_id = t.tenant_id AND p.instance_uid = t.instance_uid AND p.assignment_id = $2))
"""

_HAVING = """
SELECT DISTINCT instance_uid FROM agent_package WHERE tenant_id = $1 AND package = ANY ($2::text[])
ORDER BY instance_uid
"""


async def mark(connection: Connection, tenant_id: str, uids: Sequence[bytes]) -> int:
    """Mark these agents; return how many there are."""
    if not uids:
        return 0
    return int((await connection.execute(_MARK, tenant_id, list(uids))).rsplit(" ", 1)[1])


async def mark_meant(
    connection: Connection,
    tenant_id: str,
    assignment_id: UUID,
    *,
    selector: Mapping[str, str],
    groups: Sequence[str],
    uids: Sequence[bytes],
) -> int:
    """Mark every agent an assignment decides for, or may from now on; return how many."""
    rows = await connection.fetch(_MEANT, tenant_id, assignment_id, dict(selector), list(groups), list(uids))
    return await mark(connection, tenant_id, [row["instance_uid"] for row in rows])


async def having(connection: Connection, tenant_id: str, packages: Sequence[str]) -> list[bytes]:
    """List every agent that should have one of these packages, in order of uid."""
    return [row["instance_uid"] for row in await connection.fetch(_HAVING, tenant_id, list(packages))]
