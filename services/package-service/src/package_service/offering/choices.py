"""Another version than the assignment's for single agents: how a campaign moves them one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.offering import target_marks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from servicekit.postgres import Connection

_SET = """
INSERT INTO package_choice (tenant_id, assignment_id, instance_uid, version)
SELECT $1, $2, n.instance_uid, $4 FROM unnest($3::bytea[]) AS n (instance_uid)
ON CONFLICT (tenant_id, assignment_id, instance_uid) DO UPDATE SET version = excluded.version, updated_at = now()
"""
# Only contents of that version; what else failed stays remembered.
_FORGET = """
WITH asked AS (
    SELECT a.package, array_agg(f.sha256) AS contents FROM package_assignment a
    JOIN package_file f ON f.tenant_id = a.tenant_id AND f.name = a.package AND f.version = $4
    WHERE a.tenant_id = $1 AND a.assignment_id = $2 GROUP BY a.package
)
UPDATE agent_package p SET failed_hashes = coalesce((
    SELECT string_agg(known.hash, ''::bytea ORDER BY known.place) FROM (
        SELECT place, substring(p.failed_hashes FROM place * 32 + 1 FOR 32) AS hash
        FROM generate_series(0, length(p.failed_hashes) / 32 - 1) AS place
    ) AS known WHERE NOT known.hash = ANY (asked.contents)), ''::bytea)
FROM asked
WHERE p.tenant_id = $1 AND p.instance_uid = ANY ($3::bytea[]) AND p.package = asked.package AND p.failed_hashes <> ''
"""
_CLEAR = """
DELETE FROM package_choice
WHERE tenant_id = $1 AND assignment_id = $2 AND ($3::bytea[] IS NULL OR instance_uid = ANY ($3))
RETURNING instance_uid
"""


async def set_many(
    connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes], version: str
) -> None:
    """
    Have these agents get another version of the assignment's package; they are looked at within a second.

    It counts as asking for it: where it failed before, it is offered again.

    Args:
        connection: Inside the transaction that decided it; agents' rows stay locked until it ends.

        tenant_id: Whose agents.

        assignment_id: It must exist. It counts for an agent only while this assignment decides for it.

        uids: 16 bytes each.

        version: A semantic version.
    """
    if not uids:
        return
    await target_marks.mark(connection, tenant_id, uids)
    await connection.execute(_SET, tenant_id, assignment_id, sorted(set(uids)), version)
    await connection.execute(_FORGET, tenant_id, assignment_id, list(uids), version)


async def clear(connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes] | None) -> None:
    """Let the assignment's own version count again, for these agents or (None) for all."""
    rows = await connection.fetch(_CLEAR, tenant_id, assignment_id, None if uids is None else list(uids))
    await target_marks.mark(connection, tenant_id, [row["instance_uid"] for row in rows])
