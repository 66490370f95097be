"""What people do with campaigns."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from package_service.campaigns import campaign_store, campaigns
from package_service.campaigns.assignments import AssignmentOffers
from package_service.campaigns.campaigns import Campaigns
from package_service.campaigns.offers import Assigned
from package_service.catalogue import Catalogue
from package_service.errors import (
    AssignmentBusy,
    AssignmentFloats,
    AssignmentNotFound,
    CampaignChanged,
    CampaignNotFound,
    CampaignState,
    InvalidCampaign,
    PackageInUse,
    QuotaExceeded,
)
from rollout import State
from servicekit.errors import Problem

from .campaign_ground import ASSIGNMENT, DRAFT, PLAN, Ground
from .conftest import TENANT
from .test_campaigns_assignments import prepare
from .test_file_store import add

if TYPE_CHECKING:
    import asyncpg

    from package_service.campaigns.campaign import Campaign


@pytest.fixture
def ground() -> Ground:
    """Give offers in memory."""
    return Ground()


@pytest.fixture
async def people(pool: asyncpg.Pool, ground: Ground) -> Campaigns:
    """Give the campaigns of a tenant that has published 1.0.0 and 1.1.0."""
    for version in ("1.0.0", "1.1.0"):
        await add(pool, version)
    return Campaigns(pool, ground)


async def made(people: Campaigns, name: str = "to-1.1") -> Campaign:
    """Write a campaign."""
    return await people.create(TENANT, replace(DRAFT, name=name), ASSIGNMENT, "ann")


async def act(people: Campaigns, campaign: Campaign, action: str, revision: int = 0) -> Campaign:
    """Do something with a campaign."""
    return await people.steer(TENANT, campaign.campaign_id, action, expected_revision=revision, author="bob")


async def test_life_of_a_campaign(people: Campaigns) -> None:
    """Written, changed, started, paused, resumed, aborted, deleted; each time another revision."""
    draft = await made(people)
    assert (draft.rollout.state, draft.from_version, draft.revision) == (State.DRAFT, "1.0.0", 1)

    changed = await people.update(
        TENANT,
        draft.campaign_id,
        replace(DRAFT, plan=replace(PLAN, max_in_flight=7)),
        expected_revision=1,
        author="bob",
    )
    assert (changed.plan.max_in_flight, changed.revision, changed.updated_by) == (7, 2, "bob")
    states = [(await act(people, draft, action)).rollout.state for action in ("start", "pause", "resume", "abort")]
    assert states == [State.RUNNING, State.PAUSED, State.RUNNING, State.ABORTED]
    ended = await people.get(TENANT, draft.campaign_id)
    assert ended.started_at is not None
    assert ended.ended_at is not None
    await people.delete(TENANT, draft.campaign_id, expected_revision=0)
    with pytest.raises(CampaignNotFound):
        await people.get(TENANT, draft.campaign_id)


async def test_what_cannot_be_done_in_a_state(people: Campaigns) -> None:
    """Refused with the state it is in."""
    campaign = await made(people)
    for action in ("pause", "resume", "abort"):
        with pytest.raises(CampaignState, match="draft"):
            await act(people, campaign, action)
    await act(people, campaign, "start")

    with pytest.raises(CampaignState, match="running"):
        await act(people, campaign, "start")
    with pytest.raises(CampaignState, match="running"):
        await people.update(TENANT, campaign.campaign_id, DRAFT, expected_revision=0, author="bob")
    with pytest.raises(CampaignState, match="running"):
        await people.delete(TENANT, campaign.campaign_id, expected_revision=0)


async def test_somebody_else_was_faster(people: Campaigns) -> None:
    """The current revision is told."""
    campaign = await made(people)
    await act(people, campaign, "start", revision=1)

    with pytest.raises(CampaignChanged) as caught:
        await act(people, campaign, "pause", revision=1)
    assert caught.value.details[0].message == "2"
    for deed in (
        people.delete(TENANT, campaign.campaign_id, expected_revision=1),
        people.update(TENANT, campaign.campaign_id, DRAFT, expected_revision=1, author="bob"),
    ):
        with pytest.raises(CampaignChanged):
            await deed


async def test_one_that_lives_per_assignment(people: Campaigns) -> None:
    """Two would pull agents to and fro; drafts may wait."""
    first, second = await made(people, "a"), await made(people, "b")
    await act(people, first, "start")
    with pytest.raises(AssignmentBusy, match="campaign a "):
        await act(people, second, "start")

    await act(people, first, "abort")
    assert (await act(people, second, "start")).rollout.state is State.RUNNING


async def test_two_starts_at_once(people: Campaigns, pool: asyncpg.Pool) -> None:
    """One of both begins; the other is told so, whether it was kept waiting (as on real tables) or not."""
    for round_, many in enumerate((people, Campaigns(pool, AssignmentOffers()))):
        assignment_id = ASSIGNMENT if round_ == 0 else await prepare(pool)
        drafts = [
            await many.create(TENANT, replace(DRAFT, name=f"{name}{round_}"), assignment_id, "ann") for name in "abc"
        ]

        found = await asyncio.gather(*(act(many, draft, "start") for draft in drafts), return_exceptions=True)

        refused = [each for each in found if isinstance(each, BaseException)]
        assert [type(each) for each in refused] == [AssignmentBusy] * 2


async def test_start_clears_what_is_left(people: Campaigns, ground: Ground) -> None:
    """A choice of before would let its agent begin before its turn."""
    ground.choices = {b"a" * 16: "1.1.0"}

    await act(people, await made(people), "start")

    assert ground.choices == {}


async def test_ground_is_looked_at_again_at_the_start(people: Campaigns, pool: asyncpg.Pool, ground: Ground) -> None:
    """It goes back to the version agents have when it begins, not to the one of when it was written."""
    campaign = await made(people)
    await add(pool, "1.0.5")
    ground.assigned = Assigned("collector", "1.0.5")
    assert (await act(people, campaign, "start")).from_version == "1.0.5"

    other = await made(people, "other")
    await act(people, campaign, "abort")
    (file,) = [file for file in await Catalogue(pool).versions(TENANT, "collector") if file.version == "1.1.0"]
    await Catalogue(pool).set_active(TENANT, file.file_id, active=False, author="ann")
    with pytest.raises(InvalidCampaign):
        await act(people, other, "start")


async def test_ground_no_campaign_can_stand_on(people: Campaigns, ground: Ground) -> None:
    """No assignment, none that pins a version, no such version, no other version."""
    with pytest.raises(AssignmentNotFound):
        await people.create(TENANT, DRAFT, uuid.uuid4(), "ann")
    for version in ("9.9.9", "1.0.0"):
        with pytest.raises(InvalidCampaign) as caught:
            await people.create(TENANT, replace(DRAFT, to_version=version), ASSIGNMENT, "ann")
        assert caught.value.details[0].field == "to_version"
    ground.assigned = Assigned("collector", "latest-1")
    with pytest.raises(AssignmentFloats, match="latest-1"):
        await made(people)
    with pytest.raises(InvalidCampaign):
        await people.create(TENANT, replace(DRAFT, name="No Name"), ASSIGNMENT, "ann")


async def test_ground_that_changed_before_the_start(people: Campaigns, ground: Ground) -> None:
    """Another package, or switched off: told by its field, and nothing begins."""
    campaign = await made(people)
    for assigned in (Assigned("other", "1.0.0"), Assigned("collector", "1.0.0", enabled=False)):
        ground.assigned = assigned
        with pytest.raises(InvalidCampaign) as caught:
            await act(people, campaign, "start")
        assert caught.value.details[0].field == "assignment_id"

    ground.assigned = Assigned("collector", "1.0.0", revision=9)
    assert (await act(people, campaign, "start")).assignment_revision == 9


async def test_versions_before_a_release_need_their_channel(
    people: Campaigns, pool: asyncpg.Pool, ground: Ground
) -> None:
    """Otherwise the assignment would end with a version its own rules forbid, and could not be edited any more."""
    await add(pool, "1.1.0-rc.1")
    draft = replace(DRAFT, to_version="1.1.0-rc.1")
    with pytest.raises(InvalidCampaign, match="channel beta"):
        await people.create(TENANT, draft, ASSIGNMENT, "ann")
    written = await made(people)
    with pytest.raises(InvalidCampaign, match="channel beta"):
        await people.update(TENANT, written.campaign_id, draft, expected_revision=0, author="ann")

    ground.assigned = Assigned("collector", "1.0.0", channel="beta")
    campaign = await people.create(TENANT, draft, ASSIGNMENT, "ann")
    ground.assigned = Assigned("collector", "1.0.0")
    with pytest.raises(InvalidCampaign, match="channel beta"):
        await act(people, campaign, "start")


async def test_what_a_campaign_would_miss_is_told_before_it_begins(
    people: Campaigns, pool: asyncpg.Pool, ground: Ground
) -> None:
    """A platform without the new version would fail one timeout after another; without the former, nobody goes back."""
    await add(pool, "1.0.0", platform="windows")
    await add(pool, "1.1.0", platform="darwin", arch="any")
    campaign = await made(people)
    ground.kinds = {("linux", "amd64"): 5, ("windows", "amd64"): 3, ("darwin", "arm64"): 2, ("", ""): 1}

    with pytest.raises(InvalidCampaign) as caught:
        await act(people, campaign, "start")
    (problem,) = caught.value.details
    assert problem.field == "to_version"
    assert "windows/amd64, which 3 agents" in problem.message

    await pool.execute("UPDATE package_file SET damaged_at = now() WHERE version = '1.0.0'")
    with pytest.raises(InvalidCampaign, match=r"assignment_id pins 1\.0\.0"):
        await act(people, campaign, "start")
    await pool.execute("UPDATE package_file SET damaged_at = NULL")
    await add(pool, "1.1.0", platform="windows", arch="any")
    assert (await act(people, campaign, "start")).rollout.state is State.RUNNING


async def test_files_of_a_campaign_stay(people: Campaigns, pool: asyncpg.Pool) -> None:
    """Those it brings agents to and those it would bring them back to, while it lives; the campaign is named."""
    catalogue = Catalogue(pool)
    files = {file.version: file for file in await catalogue.versions(TENANT, "collector")}
    campaign = await act(people, await made(people), "start")

    for version, what in (("1.1.0", "brings agents to it"), ("1.0.0", "brings agents back to it")):
        for deed in (
            catalogue.delete(TENANT, files[version].file_id, author="ann"),
            catalogue.set_active(TENANT, files[version].file_id, active=False, author="ann"),
        ):
            with pytest.raises(PackageInUse) as caught:
                await deed
            assert caught.value.details == (Problem("campaign", f"to-1.1 {what}"),)

    await act(people, campaign, "abort")
    await catalogue.delete(TENANT, files["1.1.0"].file_id, author="ann")


async def test_people_wait_for_a_long_look(
    people: Campaigns, pool: asyncpg.Pool, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than everybody else waits for a lock, and only for this: to stop it is the last thing to be refused."""
    campaign = await act(people, await made(people), "start")
    await act(people, campaign, "pause")
    seen: list[str] = []

    async def assignment(connection: asyncpg.Connection[asyncpg.Record], *_: object) -> Assigned | None:
        seen.append(await connection.fetchval("SHOW lock_timeout"))
        return ground.assigned

    monkeypatch.setattr(ground, "assignment", assignment)
    await act(people, campaign, "resume")

    assert seen == ["25s"]
    assert await pool.fetchval("SHOW lock_timeout") == "10s"


async def test_so_many_and_no_more(people: Campaigns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants another deletes one."""
    monkeypatch.setattr(campaigns, "MAX_CAMPAIGNS", 2)
    await made(people, "a")
    await made(people, "b")

    with pytest.raises(QuotaExceeded, match="2 campaigns"):
        await made(people, "c")


async def test_other_tenants_see_nothing(people: Campaigns, pool: asyncpg.Pool) -> None:
    """An id alone opens no door."""
    campaign = await made(people)

    assert await campaign_store.one(pool, "other", campaign.campaign_id) is None
    with pytest.raises(CampaignNotFound):
        await people.steer("other", campaign.campaign_id, "start", expected_revision=0, author="bob")
