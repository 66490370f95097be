"""The agents of campaigns in PostgreSQL."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rollout import Member, MemberState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from package_service.campaigns.campaign import Campaign
    from servicekit.paging import Page
    from servicekit.postgres import Connection

SLICE = 1000
"""Rows read at once."""

PRUNED = 10_000
"""Rows removed at once."""

MAX_FAILURES = 100
MAX_NAMED = 1000

_COLUMNS = "instance_uid, state, since, stage, round, error, put_back"
_ALL = f"SELECT {_COLUMNS} FROM campaign_agent WHERE tenant_id = $1 AND campaign_id = $2"  # noqa: S608 - constants only
_SAVE = """
INSERT INTO campaign_agent (tenant_id, campaign_id, instance_uid, state, since, stage, round, error, put_back)
SELECT $1, $2, m.* FROM unnest($3::bytea[], $4::text[], $5::timestamptz[], $6::integer[], $7::integer[], $8::text[],
                               $9::boolean[]) AS m
ON CONFLICT (tenant_id, campaign_id, instance_uid) DO UPDATE SET
    state = excluded.state, since = excluded.since, stage = excluded.stage, round = excluded.round,
    error = excluded.error, put_back = excluded.put_back
"""
_RELEASE = """
UPDATE campaign_agent SET put_back = false
WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('failed', 'rolled_back') AND put_back RETURNING instance_uid
"""
_RELEASE_ALL = """
UPDATE campaign_agent a SET put_back = false FROM campaign c
WHERE c.tenant_id = $1 AND c.assignment_id = $2 AND c.state = 'completed'
  AND a.tenant_id = c.tenant_id AND a.campaign_id = c.campaign_id AND a.put_back
"""
# Those a completed campaign holds at the former version are still needed: somebody has to let them go.
_PRUNE = """
DELETE FROM campaign_agent WHERE ctid = ANY (ARRAY(
    SELECT a.ctid FROM campaign_agent a JOIN campaign c ON c.tenant_id = a.tenant_id AND c.campaign_id = a.campaign_id
    WHERE c.ended_at < now() - $1::interval
      AND NOT (c.state = 'completed' AND a.state IN ('failed', 'rolled_back') AND a.put_back)
    LIMIT $2))
"""
_WHERE = """
FROM campaign_agent
WHERE tenant_id = $1 AND campaign_id = $2 AND (cardinality($3::text[]) = 0 OR state = ANY ($3))
"""
_FAILURES = """
SELECT error, count(*) AS agents, (array_agg(instance_uid ORDER BY instance_uid))[1:$3] AS uids
FROM campaign_agent
WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('failed', 'rolled_back') AND error <> ''
GROUP BY error ORDER BY agents DESC, error LIMIT $4
"""
_FAILED = """
SELECT count(*) FROM campaign_agent
WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('failed', 'rolled_back') AND error <> ''
"""


@dataclass(frozen=True)
class Failure:
    """Agents that failed with the very same words."""

    error: str
    count: int
    uids: tuple[bytes, ...]
    """Some of them, by uid."""


async def everybody(connection: Connection, campaign: Campaign) -> dict[bytes, Member]:
    """Return every agent of a campaign, by uid; inside a transaction, in slices, so that others get their turn."""
    found: dict[bytes, Member] = {}
    cursor = await connection.cursor(_ALL, campaign.tenant_id, campaign.campaign_id)
    while rows := await cursor.fetch(SLICE):
        found.update((row["instance_uid"], _member(row)) for row in rows)
    return found


async def save(connection: Connection, campaign: Campaign, members: Sequence[Member]) -> None:
    """Keep agents as they are now."""
    if not members:
        return
    await connection.execute(
        _SAVE,
        campaign.tenant_id,
        campaign.campaign_id,
        [member.uid for member in members],
        [member.state.value for member in members],
        [member.since for member in members],
        [member.stage for member in members],
        [member.round for member in members],
        # PostgreSQL keeps no NUL in text; agents may say anything.
        [member.error.replace("\x00", "") for member in members],
        [member.put_back for member in members],
    )


def counted(members: Mapping[bytes, Member]) -> dict[str, int]:
    """Count agents by state."""
    return dict(Counter(member.state.value for member in members.values()))


async def release(connection: Connection, campaign: Campaign) -> list[bytes]:
    """Hold nobody at the previous version any more; returns who was."""
    rows = await connection.fetch(_RELEASE, campaign.tenant_id, campaign.campaign_id)
    return [row["instance_uid"] for row in rows]


async def release_all(connection: Connection, tenant_id: str, assignment_id: UUID) -> None:
    """Let no completed campaign of an assignment hold anybody any more."""
    await connection.execute(_RELEASE_ALL, tenant_id, assignment_id)


async def prune(connection: Connection | asyncpg.Pool, days: int) -> int:
    """Forget agents of campaigns that ended so long ago, but for those still held; returns how many: PRUNED at most."""
    return int((await connection.execute(_PRUNE, timedelta(days=days), PRUNED)).rsplit(" ", 1)[1])


async def list_agents(
    connection: Connection | asyncpg.Pool, campaign: Campaign, page: Page, states: Sequence[str]
) -> tuple[list[Member], int]:
    """
    List the agents of a campaign by uid, one row more than the page when there are more.

    Returns:
        The agents, and how many match on all pages.
    """
    arguments: list[object] = [campaign.tenant_id, campaign.campaign_id, list(states)]
    total: int = await connection.fetchval(f"SELECT count(*) {_WHERE}", *arguments)
    after = ""
    if page.after:
        after = "AND instance_uid > decode($4, 'hex')"
        arguments.extend(page.after)
    statement = f"""
        SELECT {_COLUMNS} {_WHERE} {after} ORDER BY instance_uid LIMIT {page.limit + 1} OFFSET {page.offset}
    """
    return [_member(row) for row in await connection.fetch(statement, *arguments)], total


async def failures(connection: Connection | asyncpg.Pool, campaign: Campaign) -> tuple[list[Failure], int]:
    """Group the agents that failed by what they said, the commonest first; and count them all."""
    keys = (campaign.tenant_id, campaign.campaign_id)
    rows = await connection.fetch(_FAILURES, *keys, MAX_NAMED, MAX_FAILURES)
    total: int = await connection.fetchval(_FAILED, *keys)
    return [Failure(row["error"], row["agents"], tuple(row["uids"])) for row in rows], total


def sort_key(member: Member) -> tuple[str]:
    """Write what a cursor needs to go on after this row."""
    return (member.uid.hex(),)


def _member(row: asyncpg.Record) -> Member:
    return Member(
        uid=row["instance_uid"],
        state=MemberState(row["state"]),
        since=row["since"],
        stage=row["stage"],
        round=row["round"],
        error=row["error"],
        put_back=row["put_back"],
    )
