"""Campaigns in the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from fleet.api.v1 import page_pb2
from package_service.campaigns import campaign_store
from package_service.campaigns.campaign_store import Filter
from rollout import Rollout, Stage, State, Threshold, Window
from servicekit.paging import cut, page_of

from .campaign_ground import ASSIGNMENT, DRAFT, PLAN
from .conftest import TENANT

if TYPE_CHECKING:
    from package_service.campaigns.campaign import Campaign, Draft

T0 = datetime(2026, 1, 1, tzinfo=UTC)


async def kept(pool: asyncpg.Pool, draft: Draft = DRAFT, assignment_id: UUID = ASSIGNMENT) -> Campaign:
    """Keep a campaign."""
    async with pool.acquire() as connection, connection.transaction():
        return await campaign_store.add(
            connection,
            TENANT,
            draft,
            assignment_id=assignment_id,
            package="collector",
            from_version="1.0.0",
            author="ann",
        )


async def moved(pool: asyncpg.Pool, campaign: Campaign, rollout: Rollout) -> Campaign:
    """Move a campaign."""
    async with pool.acquire() as connection, connection.transaction():
        return await campaign_store.move(connection, campaign, rollout)


async def test_plans_are_kept_whole(pool: asyncpg.Pool) -> None:
    """Selectors, windows and thresholds of both kinds."""
    plans = (
        PLAN,
        replace(
            PLAN,
            stages=(Stage(selector={"ring": "canary"}), Stage(percent=100)),
            threshold=Threshold(count=2),
            window=Window("Europe/Berlin", ("mon",), "22:00", "04:00"),
            rollback=False,
        ),
    )
    for plan in plans:
        campaign = await kept(pool, replace(DRAFT, plan=plan))
        assert campaign.plan == plan
        assert await campaign_store.one(pool, TENANT, campaign.campaign_id) == campaign


async def test_where_it_stands_is_kept(pool: asyncpg.Pool) -> None:
    """With the times it began and ended, and who moved it last."""
    campaign = await kept(pool)
    running = Rollout(State.RUNNING, stage=1, stage_since=T0, round=2, reason="waits")

    begun = await moved(pool, campaign, running)
    ended = await moved(pool, begun, replace(running, state=State.COMPLETED))

    assert begun.rollout == running
    assert (begun.ended_at, begun.updated_by) == (None, "ann")
    assert ended.started_at == begun.started_at
    assert ended.ended_at is not None
    assert ended.revision == 3
    assert await campaign_store.living(pool) == []
    assert await campaign_store.states(pool) == {"completed": 1}


async def test_the_database_keeps_a_second_one_from_living(pool: asyncpg.Pool) -> None:
    """Whatever code would do."""
    first, second = await kept(pool), await kept(pool)
    await moved(pool, first, Rollout(State.HALTED))

    with pytest.raises(asyncpg.UniqueViolationError):
        await moved(pool, second, Rollout(State.RUNNING))
    assert await campaign_store.living(pool) == [(TENANT, first.campaign_id)]


async def test_pages_hold_every_campaign_once(pool: asyncpg.Pool) -> None:
    """Newest first, filtered by state, assignment, package and name."""
    made = [await kept(pool, replace(DRAFT, name=f"c{number}"), UUID(int=number % 2)) for number in range(5)]
    await moved(pool, made[0], Rollout(State.RUNNING))
    seen, cursor = [], ""
    while True:
        page = page_of(page_pb2.PageRequest(limit=2, cursor=cursor))
        rows, total = await campaign_store.list_campaigns(pool, TENANT, page, Filter())
        shown, cursor = cut(rows, page, campaign_store.sort_key)
        seen += [row.name for row in shown]
        if not cursor:
            break
    assert (seen, total) == (["c4", "c3", "c2", "c1", "c0"], 5)

    whole = page_of(page_pb2.PageRequest(limit=10))
    for wanted, names in (
        (Filter(states=("running",)), ["c0"]),
        (Filter(assignment_id=UUID(int=1)), ["c3", "c1"]),
        (Filter(package="other"), []),
        (Filter(search="C4"), ["c4"]),
    ):
        rows, _ = await campaign_store.list_campaigns(pool, TENANT, whole, wanted)
        assert [row.name for row in rows] == names
