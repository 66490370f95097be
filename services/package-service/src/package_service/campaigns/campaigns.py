"""What people do with campaigns: write them, start and stop them, look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from package_service import file_store
from package_service.campaigns import agent_store, campaign_store, publisher
from package_service.campaigns.campaign import MAX_CAMPAIGNS, check
from package_service.errors import (
    AssignmentBusy,
    AssignmentFloats,
    AssignmentNotFound,
    CampaignChanged,
    CampaignNotFound,
    CampaignState,
    InvalidCampaign,
    QuotaExceeded,
)
from package_service.package import Arch
from package_service.versions import is_prerelease, problem_of_version
from rollout import NotNowError, Rollout, State, abort, pause, resume, start
from rollout.state import LIVING
from servicekit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from package_service.campaigns.campaign import Campaign, Draft
    from package_service.campaigns.offers import Assigned, Offers
    from package_service.file_store import File
    from servicekit.postgres import Connection

ACTIONS = {"start": "started", "pause": "paused", "resume": "resumed", "abort": "aborted"}
"""What people may do, and what is said of it."""

STABLE = "stable"
MOST_NAMED = 20
ANOTHER = "that was started at the same moment"


class Campaigns:
    """
    Campaigns, for people.

    Args:
        pool: The service's database.

        offers: What agents have and should have.
    """

    def __init__(self, pool: asyncpg.Pool, offers: Offers) -> None:
        self._pool = pool
        self._offers = offers

    async def create(self, tenant_id: str, draft: Draft, assignment_id: UUID, author: str) -> Campaign:
        """Keep a new campaign, which begins when somebody starts it. Raises as `check` and `_ground` do."""
        check(draft)
        async with self._pool.acquire() as connection, connection.transaction():
            if await campaign_store.count(connection, tenant_id) >= MAX_CAMPAIGNS:
                raise QuotaExceeded(f"there are {MAX_CAMPAIGNS} campaigns already; delete ended ones")
            assigned = await self._ground(connection, tenant_id, assignment_id, draft)
            return await campaign_store.add(
                connection,
                tenant_id,
                draft,
                assignment_id=assignment_id,
                package=assigned.package,
                from_version=assigned.version,
                author=author,
            )

    async def update(
        self, tenant_id: str, campaign_id: UUID, draft: Draft, *, expected_revision: int, author: str
    ) -> Campaign:
        """Write a campaign anew that has not begun; raises CampaignState when it has."""
        check(draft)
        async with self._pool.acquire() as connection, connection.transaction():
            campaign = await _locked(connection, tenant_id, campaign_id, expected_revision)
            if campaign.rollout.state is not State.DRAFT:
                raise CampaignState("changed", campaign.rollout.state.value)
            await self._ground(connection, tenant_id, campaign.assignment_id, draft)
            return await campaign_store.rewrite(connection, campaign, draft, author)

    async def get(self, tenant_id: str, campaign_id: UUID) -> Campaign:
        """Return a campaign; raises CampaignNotFound."""
        campaign = await campaign_store.one(self._pool, tenant_id, campaign_id)
        if campaign is None:
            raise CampaignNotFound
        return campaign

    async def delete(self, tenant_id: str, campaign_id: UUID, *, expected_revision: int) -> None:
        """Forget a campaign that does not live; raises CampaignState when it does."""
        async with self._pool.acquire() as connection, connection.transaction():
            campaign = await _locked(connection, tenant_id, campaign_id, expected_revision)
            if campaign.rollout.state in LIVING:
                raise CampaignState("deleted", campaign.rollout.state.value)
            if campaign.rollout.state is State.COMPLETED:
                held = await agent_store.release(connection, campaign)
                await self._offers.unchoose(connection, tenant_id, campaign.assignment_id, held)
            await campaign_store.delete(connection, campaign)

    async def steer(
        self, tenant_id: str, campaign_id: UUID, action: str, *, expected_revision: int, author: str
    ) -> Campaign:
        """Start, pause, resume or abort; raises CampaignState when that cannot be done now."""
        async with self._pool.acquire() as connection, connection.transaction():
            await campaign_store.be_patient(connection)
            campaign = await _locked(connection, tenant_id, campaign_id, expected_revision)
            try:
                moved = await self._steered(connection, campaign, action, author)
            except NotNowError as error:
                raise CampaignState(ACTIONS[action], error.state.value) from error
            except asyncpg.UniqueViolationError as error:
                raise AssignmentBusy(ANOTHER) from error
            await publisher.say_campaign(connection, ACTIONS[action], moved, author)
            return moved

    async def _steered(self, connection: Connection, campaign: Campaign, action: str, author: str) -> Campaign:
        rollout, keys = campaign.rollout, (campaign.tenant_id, campaign.assignment_id)
        now = await connection.fetchval("SELECT now()")
        match action:
            case "start":
                begun = start(rollout, now)
                assigned = await self._begun_on(connection, campaign)
                # What is left of an earlier campaign, or of somebody's hand, would let agents begin before their turn.
                await self._offers.unchoose(connection, *keys, None)
                await agent_store.release_all(connection, *keys)
                return await campaign_store.move(
                    connection,
                    campaign,
                    begun,
                    author=author,
                    from_version=assigned.version,
                    assignment_revision=assigned.revision,
                )
            case "abort":
                members = await agent_store.everybody(connection, campaign)
                ended, changed = abort(rollout, members, now)
                await agent_store.save(connection, campaign, changed)
                await self._offers.unchoose(connection, *keys, None)
                counts = agent_store.counted({**members, **{member.uid: member for member in changed}})
                return await campaign_store.move(connection, campaign, ended, author=author, agents=counts)
            case "pause":
                return await campaign_store.move(connection, campaign, pause(rollout), author=author)
            case _:
                moved: Rollout = resume(rollout, now)
                # Whoever goes on has seen how the assignment is now; what no campaign can stand on holds it again.
                ground = await self._offers.assignment(connection, *keys)
                revision = 0 if ground is None else ground.revision
                return await campaign_store.move(
                    connection, campaign, moved, author=author, assignment_revision=revision
                )

    async def _begun_on(self, connection: Connection, campaign: Campaign) -> Assigned:
        """Return the assignment a campaign begins on, unless another one lives on it; raises as `_firm` does."""
        keys = (campaign.tenant_id, campaign.assignment_id)
        assigned = await self._offers.still(connection, *keys)
        busy = await campaign_store.busy(connection, *keys, campaign.campaign_id)
        if busy is not None:
            raise AssignmentBusy(busy)
        if assigned is not None and not assigned.enabled:
            raise InvalidCampaign([Problem("assignment_id", "is switched off: it decides for nobody")])
        found = await _firm(connection, campaign.tenant_id, assigned, campaign.to_version, campaign.package)
        files = await file_store.of_name(connection, campaign.tenant_id, found.package)
        problems = missing(files, found.version, campaign.to_version, await self._offers.machines(connection, *keys))
        if problems:
            raise InvalidCampaign(problems)
        return found

    async def _ground(self, connection: Connection, tenant_id: str, assignment_id: UUID, draft: Draft) -> Assigned:
        """Return the assignment, if such a campaign can stand on it; raises as `_firm` does."""
        assigned = await self._offers.assignment(connection, tenant_id, assignment_id)
        return await _firm(connection, tenant_id, assigned, draft.to_version)


async def _firm(
    connection: Connection, tenant_id: str, assigned: Assigned | None, to_version: str, package: str = ""
) -> Assigned:
    """
    Return the assignment, if a campaign to that version can stand on it.

    Args:
        connection: To read files.

        tenant_id: Whose.

        assigned: The assignment; None = there is none.

        to_version: Where the campaign goes.

        package: Whose versions the campaign is about; empty = the assignment's, whichever that is.

    Raises:
        AssignmentNotFound: There is none.

        AssignmentFloats: It pins no exact version, so there is none to go back to.

        InvalidCampaign: It is about another package, or nobody has published that version, or it is the assignment's
            already, or its channel has no such versions.
    """
    if assigned is None:
        raise AssignmentNotFound
    if package and assigned.package != package:
        message = f"is about {assigned.package} by now, the campaign about {package}: make another one"
        raise InvalidCampaign([Problem("assignment_id", message)])
    if problem_of_version(assigned.version):
        raise AssignmentFloats(assigned.version)
    if assigned.version == to_version:
        raise InvalidCampaign([Problem("to_version", "is the assignment's version already")])
    if assigned.channel == STABLE and is_prerelease(to_version):
        raise InvalidCampaign(
            [Problem("to_version", "is one before a release: that needs an assignment of channel beta")]
        )
    files = await file_store.of_name(connection, tenant_id, assigned.package)
    if not any(file.version == to_version and file.active for file in files):
        message = f"is no published and active version of {assigned.package}"
        raise InvalidCampaign([Problem("to_version", message)])
    return assigned


def missing(
    files: Sequence[File], from_version: str, to_version: str, machines: Mapping[tuple[str, str], int]
) -> list[Problem]:
    """
    List what a campaign would come to miss on its way.

    Args:
        files: Of its package.

        from_version: What agents have; there must be something to put them back to.

        to_version: What they are to have, wherever there is the former version for their machine.

        machines: Agents by platform and architecture.
    """
    good = [file for file in files if file.active and file.damaged_at is None]
    if not any(file.version == from_version for file in good):
        message = f"pins {from_version}, of which no file is active and undamaged: nobody could be put back"
        return [Problem("assignment_id", message)]

    def fits(version: str, platform: str, arch: str) -> bool:
        return any(
            file.version == version and file.platform == platform and file.arch in (arch, Arch.ANY) for file in good
        )

    return [
        Problem("to_version", f"has no active and undamaged file for {platform}/{arch}, which {agents} agents run")
        for (platform, arch), agents in sorted(machines.items())
        if fits(from_version, platform, arch) and not fits(to_version, platform, arch)
    ][:MOST_NAMED]


async def _locked(connection: Connection, tenant_id: str, campaign_id: UUID, expected_revision: int) -> Campaign:
    campaign = await campaign_store.lock(connection, tenant_id, campaign_id)
    if campaign is None:
        raise CampaignNotFound
    if expected_revision not in (0, campaign.revision):
        raise CampaignChanged(campaign.revision)
    return campaign
