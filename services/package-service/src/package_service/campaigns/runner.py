"""
Runs campaigns: looks at every living one, decides, and writes what was decided. Run it under a Leader.

Level-triggered: one look reads how everything is now and writes decisions, choices and events in one transaction, so
a look that breaks off has done nothing, and two leaders at once do nothing twice: the campaign's row is locked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from package_service import metrics
from package_service.campaigns import agent_store, campaign_store, publisher
from package_service.campaigns.sights import sights
from rollout import MemberState, Rollout, State, abort, step
from rollout.state import LIVING
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from package_service.campaigns.campaign import Campaign
    from package_service.campaigns.offers import Assigned, Offers
    from package_service.offering.progress import Progress
    from rollout import Member, Step
    from servicekit.clock import Clock
    from servicekit.postgres import Connection

log = structlog.get_logger()

SHARE = 5
"""Looking takes at most one part of so many of the time: a large fleet is looked at less often, not harder."""

FORGET_SECONDS = 3600.0
"""Between two times what ended long ago is looked for."""

GONE = "its assignment was deleted"
OFF = "the assignment was switched off"
OTHER = "the assignment is about {package} now"
REPINNED = "the assignment's version was changed to {version} by somebody else"
EDITED = "the assignment was changed by somebody else; resume to go on with whom it is for now"
_ENDED = {State.COMPLETED: "completed", State.ABORTED: "aborted", State.HALTED: "halted"}
_COUNTED = frozenset(set(MemberState) - {MemberState.WAITING, MemberState.WATCHING})


class GroundMovedError(Exception):
    """Somebody changed the assignment while we looked: nothing of this look is kept, the next one sees it."""


class Runner:
    """
    Runs campaigns.

    Args:
        pool: The service's database.

        offers: What agents have and should have.

        clock: For waiting.

        interval_seconds: Between looks, at least.

        retention_days: How long the agents of an ended campaign are kept.
    """

    def __init__(
        self, pool: asyncpg.Pool, offers: Offers, clock: Clock, *, interval_seconds: float, retention_days: int
    ) -> None:
        self._pool = pool
        self._offers = offers
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._retention_days = retention_days
        self._forget_at = 0.0

    async def run(self) -> None:
        """Look for ever; a database that is away makes it late."""
        while True:
            begun = self._clock.monotonic()
            try:
                await self.look()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("campaigns_wait", error=str(error) or type(error).__name__)
            took = self._clock.monotonic() - begun
            metrics.CAMPAIGN_LOOK_SECONDS.observe(took)
            await self._clock.sleep(max(self._interval_seconds, took * (SHARE - 1)))

    async def look(self) -> None:
        """Look at every living campaign once."""
        for tenant_id, campaign_id in await campaign_store.living(self._pool):
            await self._alone(self._look_at, tenant_id, campaign_id)
        for tenant_id, campaign_id in await campaign_store.holding(self._pool):
            await self._alone(self._release_if_due, tenant_id, campaign_id)
        await self._forget_if_due()
        counted = await campaign_store.states(self._pool)
        for state in State:
            metrics.CAMPAIGNS.labels(state.value).set(counted.get(state.value, 0))

    async def _forget_if_due(self) -> None:
        """Forget, now and then, the agents of campaigns that ended long ago; how many there were is kept."""
        now = self._clock.monotonic()
        if now < self._forget_at:
            return
        forgotten = await agent_store.prune(self._pool, self._retention_days)
        if forgotten < agent_store.PRUNED:
            self._forget_at = now + FORGET_SECONDS
        if forgotten:
            log.info("campaign_agents_forgotten", agents=forgotten)

    async def _alone(self, deed: Callable[[str, UUID], Awaitable[None]], tenant_id: str, campaign_id: UUID) -> None:
        """Do something for one campaign; whatever is wrong with it keeps nobody from looking at the others."""
        try:
            await deed(tenant_id, campaign_id)
        except GroundMovedError:
            log.info("campaign_looks_again", campaign_id=str(campaign_id))
        except Exception as error:  # of one campaign of one tenant: no reason to end uploads and offers of all
            metrics.CAMPAIGN_LOOK_FAILURES.inc()
            if is_transient(error):
                log.warning("campaign_waits", campaign_id=str(campaign_id), error=str(error) or type(error).__name__)
            else:
                log.exception("campaign_look_failed", tenant_id=tenant_id, campaign_id=str(campaign_id))

    async def _look_at(self, tenant_id: str, campaign_id: UUID) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            campaign = await campaign_store.lock(connection, tenant_id, campaign_id)
            if campaign is None or campaign.rollout.state not in LIVING:
                return
            assigned = await self._offers.standing(connection, tenant_id, campaign.assignment_id)
            members = await agent_store.everybody(connection, campaign)
            now: datetime = await connection.fetchval("SELECT now()")
            if assigned is None:
                ended, changed = abort(campaign.rollout, members, now, GONE)
                await agent_store.save(connection, campaign, changed)
                await self._keep(connection, campaign, ended, members, changed)
                return
            rollout = _held(campaign, assigned)
            found = await self._decide(connection, campaign, rollout, members, now)
            await agent_store.save(connection, campaign, found.changed)
            _count(found.changed, members)
            await self._carry_out(connection, campaign, found, members)
            if found.rollout != campaign.rollout or found.changed:
                await self._keep(connection, campaign, found.rollout, members, found.changed)

    async def _release_if_due(self, tenant_id: str, campaign_id: UUID) -> None:
        """Let go of those held at the former version once the assignment has another than the one they failed with."""
        async with self._pool.acquire() as connection, connection.transaction():
            campaign = await campaign_store.lock(connection, tenant_id, campaign_id)
            if campaign is None:
                return
            assigned = await self._offers.assignment(connection, tenant_id, campaign.assignment_id)
            if assigned is None or assigned.version != campaign.to_version:
                released = await agent_store.release(connection, campaign)
                await self._offers.unchoose(connection, tenant_id, campaign.assignment_id, released)

    async def _decide(
        self,
        connection: Connection,
        campaign: Campaign,
        rollout: Rollout,
        members: Mapping[bytes, Member],
        now: datetime,
    ) -> Step:
        keys = (campaign.tenant_id, campaign.assignment_id)
        population = await self._offers.population(connection, *keys)
        progress: dict[bytes, Progress] = {}
        for start in range(0, len(population), agent_store.SLICE):
            uids = [uid for uid, _ in population[start : start + agent_store.SLICE]]
            progress |= await self._offers.progress(connection, *keys, uids)

        def reckon() -> Step:
            shown = sights(campaign, population, progress)
            return step(campaign.plan, rollout, members, shown, now=now, seed=campaign.campaign_id.bytes)

        # A second for a fleet of tens of thousands: in a thread, the service answers meanwhile.
        return await asyncio.to_thread(reckon)

    async def _carry_out(
        self, connection: Connection, campaign: Campaign, found: Step, members: Mapping[bytes, Member]
    ) -> None:
        keys = (campaign.tenant_id, campaign.assignment_id)
        if found.rollout.state is State.COMPLETED:
            # The version first, then the choices: an agent that is matched in between has both.
            if not await self._offers.settle(connection, campaign):
                raise GroundMovedError
            await self._offers.unchoose(connection, *keys, None)
            # The new version is everybody's now, and these fell ill with it: they keep the former one.
            await self._offers.choose(connection, *keys, _held_back(found, members), campaign.from_version)
            return
        if found.put_back:
            await self._offers.unchoose(connection, *keys, found.put_back)
        if found.admit:
            await self._offers.choose(connection, *keys, found.admit, campaign.to_version)

    async def _keep(
        self,
        connection: Connection,
        campaign: Campaign,
        rollout: Rollout,
        before: Mapping[bytes, Member],
        changed: Sequence[Member],
    ) -> None:
        counts = agent_store.counted({**before, **{member.uid: member for member in changed}})
        kept = await campaign_store.move(connection, campaign, rollout, agents=counts)
        if rollout.state is campaign.rollout.state:
            return
        what = _ENDED[rollout.state]
        await publisher.say_campaign(connection, what, kept)
        if rollout.state is State.HALTED:
            metrics.CAMPAIGN_HALTS.inc()
        log.info("campaign_moved", what=what, campaign_id=str(kept.campaign_id), reason=rollout.reason)


def _held(campaign: Campaign, assigned: Assigned) -> Rollout:
    """Hold a campaign whose ground somebody has moved: it would bring the fleet to a version nobody chose."""
    reason = _moved(campaign, assigned)
    if not reason or campaign.rollout.state is State.HALTED:
        return campaign.rollout
    return replace(campaign.rollout, state=State.HALTED, reason=reason)


def _moved(campaign: Campaign, assigned: Assigned) -> str:
    if assigned.package != campaign.package:
        return OTHER.format(package=assigned.package)
    if assigned.version != campaign.from_version:
        return REPINNED.format(version=assigned.version)
    if not assigned.enabled:
        return OFF
    return EDITED if campaign.assignment_revision not in (0, assigned.revision) else ""


def _held_back(found: Step, members: Mapping[bytes, Member]) -> list[bytes]:
    now = {**members, **{member.uid: member for member in found.changed}}
    ill = (MemberState.FAILED, MemberState.ROLLED_BACK)
    return [uid for uid, member in now.items() if member.put_back and member.state in ill]


def _count(changed: Sequence[Member], before: Mapping[bytes, Member]) -> None:
    moves = Counter(
        member.state
        for member in changed
        if member.state in _COUNTED and (member.uid not in before or before[member.uid].state is not member.state)
    )
    for state, number in moves.items():
        metrics.CAMPAIGN_AGENTS.labels(state.value).inc(number)
