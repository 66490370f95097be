"""Campaigns in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from package_service.campaigns.campaign import (
    Campaign,
    stages_document,
    stages_of,
    threshold_document,
    threshold_of,
    window_document,
    window_of,
)
from rollout import Plan, Rollout, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from package_service.campaigns.campaign import Draft
    from servicekit.paging import Page
    from servicekit.postgres import Connection

_COLUMNS = """
tenant_id, campaign_id, name, assignment_id, package, from_version, to_version, stages, max_in_flight, watch_seconds,
timeout_seconds, failure_threshold, opening, rollback, state, stage, stage_since, round, reason, revision, created_by,
created_at, updated_by, updated_at, started_at, ended_at, assignment_revision, agents
"""
# Whoever may not have too many excludes whoever makes another at this moment.
_LOCK_TENANT = "SELECT pg_advisory_xact_lock(hashtext(current_schema()), hashtext('campaigns ' || $1))"
_COUNT = "SELECT count(*) FROM campaign WHERE tenant_id = $1"
_ADD = f"""
INSERT INTO campaign (tenant_id, name, assignment_id, package, from_version, to_version, stages, max_in_flight,
                      watch_seconds, timeout_seconds, failure_threshold, opening, rollback, created_by, updated_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_ONE = f"SELECT {_COLUMNS} FROM campaign WHERE tenant_id = $1 AND campaign_id = $2"  # noqa: S608 - constants only
_LOCK = f"{_ONE} FOR UPDATE"
# Less than a command may take altogether.
_BE_PATIENT = "SET LOCAL lock_timeout = '25s'"
_LIVING = "SELECT tenant_id, campaign_id FROM campaign WHERE state IN ('running', 'paused', 'halted') ORDER BY 1, 2"
_HOLDING = """
SELECT c.tenant_id, c.campaign_id FROM campaign c WHERE c.state = 'completed' AND EXISTS (
    SELECT FROM campaign_agent a WHERE a.tenant_id = c.tenant_id AND a.campaign_id = c.campaign_id
      AND a.state IN ('failed', 'rolled_back') AND a.put_back)
ORDER BY 1, 2
"""
_BUSY = """
SELECT name FROM campaign
WHERE tenant_id = $1 AND assignment_id = $2 AND state IN ('running', 'paused', 'halted') AND campaign_id <> $3
"""
_REWRITE = f"""
UPDATE campaign SET name = $3, to_version = $4, stages = $5, max_in_flight = $6, watch_seconds = $7,
    timeout_seconds = $8, failure_threshold = $9, opening = $10, rollback = $11, updated_by = $12,
    updated_at = now(), revision = revision + 1
WHERE tenant_id = $1 AND campaign_id = $2 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_MOVE = f"""
UPDATE campaign SET state = $3, stage = $4, stage_since = $5, round = $6, reason = $7, from_version = $8,
    assignment_revision = $10, agents = coalesce($11, agents),
    updated_by = CASE WHEN $9 = '' THEN updated_by ELSE $9 END, updated_at = now(), revision = revision + 1,
    started_at = CASE WHEN $3 = 'running' THEN coalesce(started_at, now()) ELSE started_at END,
    ended_at = CASE WHEN $3 IN ('completed', 'aborted') THEN now() END
WHERE tenant_id = $1 AND campaign_id = $2 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_DELETE = "DELETE FROM campaign WHERE tenant_id = $1 AND campaign_id = $2"
_STATES = "SELECT state, count(*) AS campaigns FROM campaign GROUP BY state"
_WHERE = """
FROM campaign WHERE tenant_id = $1 AND (cardinality($2::text[]) = 0 OR state = ANY ($2))
  AND ($3::uuid IS NULL OR assignment_id = $3) AND ($4 = '' OR package = $4)
  AND ($5 = '' OR strpos(name, lower($5)) > 0)
"""


@dataclass(frozen=True)
class Filter:
    """Which campaigns; empty members match everything."""

    states: tuple[str, ...] = ()
    assignment_id: UUID | None = None
    package: str = ""
    search: str = ""


async def add(
    connection: Connection,
    tenant_id: str,
    draft: Draft,
    *,
    assignment_id: UUID,
    package: str,
    from_version: str,
    author: str,
) -> Campaign:
    """Keep a new campaign, as a draft."""
    (row,) = await connection.fetch(
        _ADD,
        tenant_id,
        draft.name,
        assignment_id,
        package,
        from_version,
        draft.to_version,
        *_plan_values(draft.plan),
        author,
    )
    return _campaign(row)


async def count(connection: Connection, tenant_id: str) -> int:
    """Count a tenant's campaigns; nobody else adds one until the transaction ends."""
    await connection.execute(_LOCK_TENANT, tenant_id)
    found: int = await connection.fetchval(_COUNT, tenant_id)
    return found


async def one(connection: Connection | asyncpg.Pool, tenant_id: str, campaign_id: UUID) -> Campaign | None:
    """Return a campaign; None when there is none."""
    row = await connection.fetchrow(_ONE, tenant_id, campaign_id)
    return None if row is None else _campaign(row)


async def lock(connection: Connection, tenant_id: str, campaign_id: UUID) -> Campaign | None:
    """Return a campaign, and keep everybody else from changing it until the transaction ends."""
    row = await connection.fetchrow(_LOCK, tenant_id, campaign_id)
    return None if row is None else _campaign(row)


async def be_patient(connection: Connection) -> None:
    """Wait for locks longer than usual until the transaction ends: as long as a look at a large fleet may take."""
    await connection.execute(_BE_PATIENT)


async def living(connection: Connection | asyncpg.Pool) -> list[tuple[str, UUID]]:
    """List the campaigns of all tenants somebody has to look after."""
    return [(row["tenant_id"], row["campaign_id"]) for row in await connection.fetch(_LIVING)]


async def holding(connection: Connection | asyncpg.Pool) -> list[tuple[str, UUID]]:
    """List the completed campaigns of all tenants that hold agents at the previous version."""
    return [(row["tenant_id"], row["campaign_id"]) for row in await connection.fetch(_HOLDING)]


async def busy(connection: Connection, tenant_id: str, assignment_id: UUID, besides: UUID) -> str | None:
    """Name the other campaign of this assignment that lives."""
    found: str | None = await connection.fetchval(_BUSY, tenant_id, assignment_id, besides)
    return found


async def rewrite(connection: Connection, campaign: Campaign, draft: Draft, author: str) -> Campaign:
    """Replace what a person wrote."""
    (row,) = await connection.fetch(
        _REWRITE,
        campaign.tenant_id,
        campaign.campaign_id,
        draft.name,
        draft.to_version,
        *_plan_values(draft.plan),
        author,
    )
    return _campaign(row)


async def move(
    connection: Connection,
    campaign: Campaign,
    rollout: Rollout,
    *,
    author: str = "",
    from_version: str = "",
    assignment_revision: int = 0,
    agents: Mapping[str, int] | None = None,
) -> Campaign:
    """Keep where a locked campaign stands now; without an author nobody did it, without agents none has moved."""
    (row,) = await connection.fetch(
        _MOVE,
        campaign.tenant_id,
        campaign.campaign_id,
        rollout.state.value,
        rollout.stage,
        rollout.stage_since,
        rollout.round,
        rollout.reason,
        from_version or campaign.from_version,
        author,
        assignment_revision or campaign.assignment_revision,
        None if agents is None else dict(agents),
    )
    return _campaign(row)


async def delete(connection: Connection, campaign: Campaign) -> None:
    """Forget a campaign and its agents."""
    await connection.execute(_DELETE, campaign.tenant_id, campaign.campaign_id)


async def states(connection: Connection | asyncpg.Pool) -> dict[str, int]:
    """Count the campaigns of all tenants by state."""
    return {row["state"]: row["campaigns"] for row in await connection.fetch(_STATES)}


async def list_campaigns(
    connection: Connection | asyncpg.Pool, tenant_id: str, page: Page, wanted: Filter
) -> tuple[list[Campaign], int]:
    """
    List campaigns, newest first, one row more than the page when there are more.

    Returns:
        The campaigns in order, and how many match on all pages.
    """
    arguments: list[Any] = [tenant_id, list(wanted.states), wanted.assignment_id, wanted.package, wanted.search]
    total: int = await connection.fetchval(f"SELECT count(*) {_WHERE}", *arguments)
    after = ""
    if page.after:
        after = "AND (created_at, campaign_id) < ($6::text::timestamptz, $7::text::uuid)"
        arguments.extend(page.after)
    statement = f"""
        SELECT {_COLUMNS} {_WHERE} {after}
        ORDER BY created_at DESC, campaign_id DESC LIMIT {page.limit + 1} OFFSET {page.offset}
    """
    return [_campaign(row) for row in await connection.fetch(statement, *arguments)], total


def sort_key(campaign: Campaign) -> tuple[str, str]:
    """Write what a cursor needs to go on after this row."""
    return campaign.created_at.isoformat(), str(campaign.campaign_id)


def _plan_values(plan: Plan) -> Sequence[Any]:
    return (
        stages_document(plan),
        plan.max_in_flight,
        plan.watch_seconds,
        plan.timeout_seconds,
        threshold_document(plan),
        window_document(plan),
        plan.rollback,
    )


def _campaign(row: asyncpg.Record) -> Campaign:
    return Campaign(
        tenant_id=row["tenant_id"],
        campaign_id=row["campaign_id"],
        name=row["name"],
        assignment_id=row["assignment_id"],
        package=row["package"],
        from_version=row["from_version"],
        to_version=row["to_version"],
        plan=Plan(
            stages=stages_of(row["stages"]),
            max_in_flight=row["max_in_flight"],
            watch_seconds=row["watch_seconds"],
            timeout_seconds=row["timeout_seconds"],
            threshold=threshold_of(row["failure_threshold"]),
            window=window_of(row["opening"]),
            rollback=row["rollback"],
        ),
        rollout=Rollout(
            state=State(row["state"]),
            stage=row["stage"],
            stage_since=row["stage_since"],
            round=row["round"],
            reason=row["reason"],
        ),
        revision=row["revision"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_by=row["updated_by"],
        updated_at=row["updated_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        assignment_revision=row["assignment_revision"],
        agents=row["agents"],
    )
