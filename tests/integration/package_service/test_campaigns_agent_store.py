"""The agents of campaigns in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fleet.api.v1 import page_pb2
from package_service.campaigns import agent_store
from package_service.campaigns.agent_store import Failure
from rollout import Member, MemberState
from servicekit.paging import cut, page_of

from .campaign_ground import uid_of
from .test_campaigns_campaign_store import kept

if TYPE_CHECKING:
    import asyncpg
    import pytest

    from package_service.campaigns.campaign import Campaign

T0 = datetime(2026, 1, 1, tzinfo=UTC)


async def saved(pool: asyncpg.Pool, *members: Member) -> Campaign:
    """Keep a campaign with these agents."""
    campaign = await kept(pool)
    async with pool.acquire() as connection, connection.transaction():
        await agent_store.save(connection, campaign, members)
        await agent_store.save(connection, campaign, ())
    return campaign


def failed(number: int, error: str) -> Member:
    """Make an agent that failed."""
    return Member(uid_of(number), MemberState.FAILED, T0, stage=0, round=1, error=error)


async def test_agents_are_kept_as_they_are(pool: asyncpg.Pool) -> None:
    """Each once, and again when it moves; whatever an agent says can be kept."""
    first = Member(uid_of(1), MemberState.WAITING, T0)
    second = Member(uid_of(2), MemberState.FAILED, T0, stage=2, round=3, error="a\x00b", put_back=True)
    campaign = await saved(pool, first, second)
    later = Member(uid_of(1), MemberState.SUCCEEDED, T0, stage=0)
    async with pool.acquire() as connection, connection.transaction():
        await agent_store.save(connection, campaign, [later])
        found = await agent_store.everybody(connection, campaign)

    assert found[uid_of(1)] == later
    assert found[uid_of(2)].error == "ab"
    assert agent_store.counted(found) == {"succeeded": 1, "failed": 1}


async def test_pages_hold_every_agent_once(pool: asyncpg.Pool) -> None:
    """By uid; filtered by state."""
    members = [Member(uid_of(number), MemberState.WAITING, T0) for number in range(4)]
    campaign = await saved(pool, *members, failed(9, "x"))
    seen, cursor = [], ""
    while True:
        page = page_of(page_pb2.PageRequest(limit=2, cursor=cursor))
        rows, total = await agent_store.list_agents(pool, campaign, page, [])
        shown, cursor = cut(rows, page, agent_store.sort_key)
        seen += [row.uid for row in shown]
        if not cursor:
            break
    assert seen == [uid_of(number) for number in (0, 1, 2, 3, 9)]
    assert total == 5
    rows, total = await agent_store.list_agents(pool, campaign, page_of(page_pb2.PageRequest()), ["failed"])
    assert ([row.uid for row in rows], total) == ([uid_of(9)], 1)


async def test_failures_are_grouped_by_their_words(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commonest first, agents named up to a bound; who was only put back by an abort is none."""
    monkeypatch.setattr(agent_store, "MAX_NAMED", 2)
    aborted = Member(uid_of(8), MemberState.ROLLED_BACK, T0, put_back=True)
    back = Member(uid_of(7), MemberState.ROLLED_BACK, T0, error="disk full", put_back=True)
    campaign = await saved(pool, failed(1, "disk full"), failed(2, "disk full"), failed(3, "wrong hash"), back, aborted)

    found, total = await agent_store.failures(pool, campaign)

    assert found == [
        Failure("disk full", 3, (uid_of(1), uid_of(2))),
        Failure("wrong hash", 1, (uid_of(3),)),
    ]
    assert total == 4
