"""Campaigns run: with a real database, and offers that are told at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

import asyncpg
import pytest

from contracts import subjects
from fleet.events.v1 import campaign_pb2
from package_service.campaigns import agent_store
from package_service.campaigns.assignments import AssignmentOffers
from package_service.campaigns.campaigns import Campaigns
from package_service.campaigns.offers import Assigned
from package_service.campaigns.runner import GONE, Runner
from rollout import MemberState, Rollout, Stage, State, Threshold
from servicekit.clock import FakeClock
from servicekit.metrics import REGISTRY
from world.eventually import wait_until

from .campaign_ground import ASSIGNMENT, DRAFT, PLAN, Ground, uid_of
from .conftest import TENANT
from .test_campaigns_assignments import prepare
from .test_campaigns_campaign_store import kept, moved
from .test_file_store import add

if TYPE_CHECKING:
    from package_service.campaigns.campaign import Campaign, Draft
    from rollout import Member


OTHER = UUID(int=8)


class Scene:
    """A campaign on its ground, and everything to move it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.ground = Ground()
        self.campaigns = Campaigns(pool, self.ground)
        self.clock = FakeClock()
        self.runner = Runner(pool, self.ground, self.clock, interval_seconds=1, retention_days=90)

    async def begin(self, agents: int, draft: Draft = DRAFT) -> Campaign:
        """Start a campaign among so many agents."""
        self.ground.people(agents)
        for version in ("1.0.0", "1.1.0"):
            if not await self.pool.fetchval("SELECT count(*) FROM package_file WHERE version = $1", version):
                await add(self.pool, version)
        made = await self.campaigns.create(TENANT, draft, ASSIGNMENT, "ann")
        return await self.steer(made, "start")

    async def steer(self, campaign: Campaign, action: str) -> Campaign:
        """Act on it as a person does."""
        return await self.campaigns.steer(TENANT, campaign.campaign_id, action, expected_revision=0, author="bob")

    async def look(self, times: int = 1) -> None:
        """Look so many times."""
        for _ in range(times):
            await self.runner.look()

    async def now(self, campaign: Campaign) -> Campaign:
        """Read the campaign as it is now."""
        return await self.campaigns.get(TENANT, campaign.campaign_id)

    async def members(self, campaign: Campaign) -> dict[bytes, Member]:
        """Read its agents."""
        async with self.pool.acquire() as connection, connection.transaction():
            return await agent_store.everybody(connection, campaign)

    async def count(self, campaign: Campaign) -> dict[str, int]:
        """Count its agents by state; what the campaign says is what its rows are."""
        counts = agent_store.counted(await self.members(campaign))
        assert (await self.now(campaign)).agents == counts
        return counts

    async def said(self) -> list[campaign_pb2.CampaignEvent]:
        """Read what was said of campaigns."""
        rows = await self.pool.fetch("SELECT payload FROM outbox WHERE subject LIKE '%.campaign.%' ORDER BY id")
        return [campaign_pb2.CampaignEvent.FromString(row["payload"]) for row in rows]


@pytest.fixture
def stage(pool: asyncpg.Pool) -> Scene:
    """Give a ground for campaigns."""
    return Scene(pool)


async def test_campaign_runs_to_its_end(stage: Scene) -> None:
    """Stage by stage; then its version is the assignment's, and nobody's choice is left."""
    campaign = await stage.begin(50)

    await stage.look()
    assert len(stage.ground.choices) == 5
    await stage.look(8)

    ended = await stage.now(campaign)
    assert ended.rollout.state is State.COMPLETED
    assert await stage.count(campaign) == {"succeeded": 50}
    assert stage.ground.assigned == Assigned("collector", "1.1.0", revision=2)
    assert stage.ground.choices == {}
    said = await stage.said()
    assert [event.WhichOneof("what") for event in said] == ["started", "completed"]
    assert (said[0].author, said[0].from_version, said[0].to_version) == ("bob", "1.0.0", "1.1.0")


async def test_failures_halt_it_and_the_rest_goes_on_when_told(stage: Scene) -> None:
    """A thousand agents of which one in twenty fails: it holds, names them, puts them back, and goes on."""
    draft = replace(DRAFT, plan=replace(PLAN, threshold=Threshold(count=20)))
    campaign = await stage.begin(1000, draft)
    words = ["no space left on device", "wrong checksum"]
    stage.ground.bad = {uid_of(number): words[number % 40 == 0] for number in range(0, 1000, 20)}

    for _ in range(20):
        await stage.look()
        if (await stage.now(campaign)).rollout.state is State.HALTED:
            break
    held = await stage.now(campaign)
    assert (held.rollout.state, held.rollout.round) == (State.HALTED, 0)
    await stage.look(2)
    counted = await stage.count(campaign)
    failed = counted["rolled_back"]
    assert failed >= 20
    assert not set(stage.ground.choices) & set(stage.ground.bad)
    failures, total = await agent_store.failures(stage.pool, held)
    assert total == failed
    assert {failure.error for failure in failures} <= set(words)
    assert all(uid in stage.ground.bad for failure in failures for uid in failure.uids)

    while (await stage.now(campaign)).rollout.state is State.HALTED:
        await stage.steer(campaign, "resume")
        await stage.look(6)
    ended = await stage.now(campaign)
    assert ended.rollout.state is State.COMPLETED
    counted = await stage.count(campaign)
    assert counted["succeeded"] == 950
    assert counted.get("failed", 0) + counted.get("rolled_back", 0) == 50
    assert [event.WhichOneof("what") for event in await stage.said()][:3] == ["started", "halted", "resumed"]


async def held_at_the_end(stage: Scene) -> Campaign:
    """Run a campaign in which one agent falls ill, is put back, and is held there when it completes."""
    draft = replace(DRAFT, plan=replace(PLAN, stages=(Stage(percent=100),), threshold=Threshold(count=1)))
    campaign = await stage.begin(20, draft)
    stage.ground.bad = {uid_of(3): "crashes"}
    await stage.look(3)
    assert (await stage.now(campaign)).rollout.state is State.HALTED
    await stage.steer(campaign, "resume")
    await stage.look(4)
    assert (await stage.now(campaign)).rollout.state is State.COMPLETED
    assert stage.ground.choices == {uid_of(3): "1.0.0"}
    return campaign


async def test_who_fell_ill_is_held_until_there_is_something_else(stage: Scene) -> None:
    """The version that made it ill does not reach it by the end of the campaign; the next version does."""
    await held_at_the_end(stage)
    await stage.look(2)
    assert stage.ground.choices == {uid_of(3): "1.0.0"}

    stage.ground.assigned = Assigned("collector", "1.1.1")
    await stage.look()

    assert stage.ground.choices == {}
    stage.ground.choices = {uid_of(3): "of somebody else"}
    await stage.look()
    assert stage.ground.choices == {uid_of(3): "of somebody else"}


async def test_agents_of_ended_campaigns_are_forgotten(stage: Scene) -> None:
    """After a while, but for those that are held; how many there were is known for ever."""
    campaign = await held_at_the_end(stage)
    old = "UPDATE campaign SET ended_at = now() - make_interval(days => $1)"
    for days, left in ((89, 20), (91, 1)):
        await stage.pool.execute(old, days)
        await stage.clock.advance(3601)
        await stage.look()
        assert len(await stage.members(campaign)) == left

    assert (await stage.now(campaign)).agents == {"succeeded": 19, "rolled_back": 1}
    stage.ground.assigned = Assigned("collector", "1.1.1")
    await stage.look()
    assert stage.ground.choices == {}
    await stage.clock.advance(3601)
    await stage.look()
    assert await stage.members(campaign) == {}


async def test_held_agents_are_let_go_with_their_campaign(stage: Scene) -> None:
    """Whoever forgets the campaign, or starts another, lets them have what everybody has."""
    campaign = await held_at_the_end(stage)
    await stage.campaigns.delete(TENANT, campaign.campaign_id, expected_revision=0)
    assert stage.ground.choices == {}

    await add(stage.pool, "1.2.0")
    stage.ground.assigned = Assigned("collector", "1.0.0")
    first = await held_at_the_end(stage)
    second = await stage.campaigns.create(TENANT, replace(DRAFT, to_version="1.2.0"), ASSIGNMENT, "ann")
    await stage.steer(second, "start")
    assert stage.ground.choices == {}
    assert not any(member.put_back for member in (await stage.members(first)).values())


async def test_paused_campaign_admits_nobody(stage: Scene) -> None:
    """Until somebody resumes it."""
    campaign = await stage.begin(50)
    await stage.steer(campaign, "pause")
    await stage.look(3)
    assert stage.ground.choices == {}

    await stage.steer(campaign, "resume")
    await stage.look()
    assert len(stage.ground.choices) == 5


async def test_sleepers_do_not_begin_while_it_is_paused(stage: Scene) -> None:
    """They were admitted and are away: their choices are taken back, so that they wake up with what they had."""
    campaign = await stage.begin(50)
    await stage.look()
    asleep = sorted(stage.ground.choices)[:3]
    stage.ground.away = set(asleep)
    await stage.steer(campaign, "pause")
    await stage.look()

    assert not set(stage.ground.choices) & set(asleep)
    assert len(stage.ground.choices) == 2
    members = await stage.members(campaign)
    assert {members[uid].state for uid in asleep} == {MemberState.WAITING}


async def test_aborted_campaign_puts_everybody_back(stage: Scene) -> None:
    """At once, whoever looks when."""
    campaign = await stage.begin(50)
    await stage.look(4)

    ended = await stage.steer(campaign, "abort")
    await stage.look(2)

    assert ended.rollout.state is State.ABORTED
    assert stage.ground.choices == {}
    assert stage.ground.assigned == Assigned("collector", "1.0.0")
    states = {member.state for member in (await stage.members(campaign)).values()}
    assert states <= {MemberState.ROLLED_BACK, MemberState.LEFT_OUT}


async def test_look_that_breaks_off_has_done_nothing(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one does it all: rows, choices and the stage are one transaction."""
    campaign = await stage.begin(50)

    async def broken(*_: object) -> None:
        raise asyncpg.InterfaceError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(stage.ground, "choose", broken)
        await stage.look()
    assert await stage.count(campaign) == {}

    await stage.look()
    assert (await stage.count(campaign))["admitted"] == 5


async def test_campaign_that_cannot_be_looked_at_stops_no_other(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged and counted; the others go on, and so does it as soon as it can."""
    campaign = await stage.begin(50)
    other = await kept(stage.pool, replace(DRAFT, name="other"), assignment_id=OTHER)
    await moved(stage.pool, other, Rollout(State.RUNNING))
    whole = stage.ground.standing

    async def broken(connection: object, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        if assignment_id == OTHER:
            raise ZoneInfoNotFoundError("Atlantis/City")
        return await whole(connection, tenant_id, assignment_id)  # type: ignore[arg-type]  # memory needs none

    def failures() -> float:
        return REGISTRY.get_sample_value("opamp_platform_package_campaign_look_failures_total") or 0

    before = failures()
    monkeypatch.setattr(stage.ground, "standing", broken)
    await stage.look(8)

    assert failures() == before + 8
    assert (await stage.now(campaign)).rollout.state is State.COMPLETED
    assert (await stage.now(other)).rollout.state is State.RUNNING
    monkeypatch.undo()
    await stage.look()
    assert (await stage.now(other)).rollout.reason == GONE


async def test_being_cancelled_ends_a_look(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is leader no more, or is told to stop, does not go on with the next campaign."""
    await stage.begin(5)
    looking, never = asyncio.Event(), asyncio.Event()

    async def stuck(*_: object) -> None:
        looking.set()
        await never.wait()

    monkeypatch.setattr(stage.ground, "standing", stuck)
    running = asyncio.ensure_future(stage.runner.run())
    await looking.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_nobody_removes_what_is_looked_at(pool: asyncpg.Pool) -> None:
    """The choices of a long look belong to an assignment that is still there when they are written."""
    assignment_id = await prepare(pool)
    offers = AssignmentOffers()
    async with pool.acquire() as looking, pool.acquire() as other:
        async with looking.transaction():
            assert await offers.standing(looking, TENANT, assignment_id) is not None
            await other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await other.execute("DELETE FROM package_assignment WHERE assignment_id = $1", assignment_id)
            await other.execute("UPDATE package_assignment SET priority = 1 WHERE assignment_id = $1", assignment_id)
            await offers.choose(looking, TENANT, assignment_id, [uid_of(0)], "1.1.0")
        await other.execute("DELETE FROM package_assignment WHERE assignment_id = $1", assignment_id)
        await other.execute("RESET lock_timeout")


async def test_two_leaders_admit_no_more_than_one(stage: Scene) -> None:
    """A leader that was paused and does not know that it is none any more does no harm."""
    draft = replace(DRAFT, plan=replace(PLAN, stages=(Stage(percent=100),), max_in_flight=7, watch_seconds=3600))
    campaign = await stage.begin(50, draft)
    other = Runner(stage.pool, stage.ground, stage.clock, interval_seconds=1, retention_days=90)

    for _ in range(3):
        await asyncio.gather(stage.runner.look(), other.look(), stage.runner.look())

    assert len(stage.ground.choices) == 7
    counted = await stage.count(campaign)
    assert counted["waiting"] == 43


async def test_changed_assignment_holds_it(stage: Scene) -> None:
    """Somebody else has chosen another version: nobody is moved on the former terms."""
    campaign = await stage.begin(50)
    await stage.look()
    stage.ground.assigned = Assigned("collector", "1.0.5")

    await stage.look()

    held = await stage.now(campaign)
    assert held.rollout.state is State.HALTED
    assert "1.0.5" in held.rollout.reason


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"enabled": False}, "switched off"),
        ({"package": "other"}, "about other"),
        ({"revision": 2}, "changed by somebody else"),
    ],
)
async def test_changed_terms_hold_it(stage: Scene, changed: dict[str, Any], words: str) -> None:
    """However it came about: it neither ends as a success, nor goes on before somebody has looked."""
    campaign = await stage.begin(50)
    await stage.look()
    assert stage.ground.assigned is not None
    stage.ground.assigned = replace(stage.ground.assigned, **changed)
    agents = stage.ground.agents
    if "enabled" in changed:
        stage.ground.agents = {}

    await stage.look(3)

    held = await stage.now(campaign)
    assert held.rollout.state is State.HALTED
    assert words in held.rollout.reason
    assert stage.ground.assigned.version == "1.0.0"

    await stage.steer(campaign, "resume")
    await stage.look()
    assert ((await stage.now(campaign)).rollout.state is State.RUNNING) == ("revision" in changed)
    stage.ground.assigned = Assigned("collector", "1.0.0", revision=4)
    stage.ground.agents = agents
    while (await stage.now(campaign)).rollout.state in (State.HALTED, State.RUNNING):
        if (await stage.now(campaign)).rollout.state is State.HALTED:
            await stage.steer(campaign, "resume")
        await stage.look()
    assert await stage.count(campaign) == {"succeeded": 50}


async def test_assignment_changed_at_the_last_moment(stage: Scene) -> None:
    """The end is not written over what somebody chose meanwhile."""
    campaign = await stage.begin(5, replace(DRAFT, plan=replace(PLAN, stages=(Stage(percent=100),))))
    await stage.look(2)
    stage.ground.settles = False
    await stage.look(3)

    assert (await stage.now(campaign)).rollout.state is State.RUNNING
    stage.ground.settles = True
    await stage.look(2)
    assert (await stage.now(campaign)).rollout.state is State.COMPLETED


async def test_deleted_assignment_ends_it(stage: Scene) -> None:
    """There is nothing to move any more."""
    campaign = await stage.begin(50)
    await stage.look()
    stage.ground.assigned = None

    await stage.look()

    ended = await stage.now(campaign)
    assert (ended.rollout.state, ended.rollout.reason) == (State.ABORTED, GONE)
    assert (await stage.said())[-1].reason == GONE


async def test_newcomers_wait_and_leavers_are_put_back(stage: Scene) -> None:
    """While it lives, nobody gets the new version before its turn."""
    draft = replace(DRAFT, plan=replace(PLAN, watch_seconds=3600, max_in_flight=5))
    campaign = await stage.begin(50, draft)
    await stage.look()
    stage.ground.agents[uid_of(99)] = {}
    await stage.look()
    assert (await stage.members(campaign))[uid_of(99)].state is MemberState.WAITING

    gone = next(iter(stage.ground.choices))
    del stage.ground.agents[gone]
    await stage.look()

    assert (await stage.members(campaign))[gone].state is MemberState.LEFT_OUT
    assert gone not in stage.ground.choices


async def test_it_looks_again_and_again(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away makes it late; anything else is a bug and ends the process."""
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OSError("away")
        if looks == 3:
            raise ValueError("a bug")

    monkeypatch.setattr(stage.runner, "look", look)
    running = asyncio.ensure_future(stage.runner.run())

    def seen(number: int) -> bool:
        return looks >= number

    for number in (1, 2):
        await wait_until(partial(seen, number))
        await stage.clock.advance(1)

    with pytest.raises(ValueError, match="a bug"):
        await running
    assert looks == 3


async def test_event_travels_on_its_subject(stage: Scene) -> None:
    """By tenant, so that whoever listens may choose."""
    await stage.begin(1)

    rows = await stage.pool.fetch("SELECT subject FROM outbox WHERE subject LIKE '%.campaign.%'")
    assert [row["subject"] for row in rows] == [subjects.campaign_event("started", TENANT)]
