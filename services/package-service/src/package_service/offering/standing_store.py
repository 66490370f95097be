"""Where the agents of one assignment stand, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.offering import target_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from package_service.offering.standing import Standing
    from package_service.offering.target import Target
    from servicekit.paging import Page
    from servicekit.postgres import Connection

_PAGE = """
SELECT instance_uid, package FROM agent_package
WHERE tenant_id = $1 AND assignment_id = $2 AND (cardinality($3::text[]) = 0 OR state = ANY ($3::text[]))
  AND ($4::text = '' OR instance_uid > decode($4::text, 'hex'))
ORDER BY instance_uid LIMIT $5 OFFSET $6
"""
_NAMES = "SELECT assignment_id, name FROM package_assignment WHERE tenant_id = $1 AND assignment_id = ANY ($2::uuid[])"


async def list_rows(
    connection: Connection | asyncpg.Pool,
    tenant_id: str,
    assignment_id: UUID,
    page: Page,
    *,
    states: Sequence[str] = (),
) -> list[tuple[Target, Standing]]:
    """List the agents an assignment decides for, by uid, one more than the page when there are more."""
    after = page.after[0] if page.after else ""
    rows = await connection.fetch(_PAGE, tenant_id, assignment_id, list(states), after, page.limit + 1, page.offset)
    targets = await target_store.load(connection, tenant_id, [row["instance_uid"] for row in rows])
    return [
        (target, target.packages[row["package"]])
        for row in rows
        if (target := targets.get(row["instance_uid"])) is not None and row["package"] in target.packages
    ]


async def names_of(
    connection: Connection | asyncpg.Pool, tenant_id: str, assignment_ids: Sequence[UUID]
) -> dict[UUID, str]:
    """Return the names of assignments."""
    rows = await connection.fetch(_NAMES, tenant_id, list(assignment_ids))
    return {row["assignment_id"]: row["name"] for row in rows}
