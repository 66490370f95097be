"""Nobody pulls an assignment from under its campaign."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from package_service.campaigns.assignments import AssignmentOffers
from package_service.campaigns.campaigns import Campaigns
from package_service.campaigns.guard import refuse_while_moved
from package_service.errors import AssignmentBusy
from package_service.offering.assignments import Assignments
from rollout import Rollout, State

from .campaign_ground import DRAFT
from .offering_ground import TENANT
from .test_campaigns_campaign_store import kept, moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from package_service.offering.assignment import Assignment, Terms

    from .offering_ground import Ground

CHANGES: dict[str, Any] = {
    "enabled": False,
    "selector": {"site": "elsewhere"},
    "groups": ("gold",),
    "agents": (b"a" * 16,),
    "priority": 3,
    "package": "other",
    "channel": "beta",
    "version": "2.0.0",
}


@pytest.fixture
def assignments(ground: Ground) -> Assignments:
    """Give assignments as the service guards them."""
    return Assignments(ground.pool, ground.distribution, ground.worker.wake, guard=refuse_while_moved)


def edit(**terms: Any) -> Callable[[Terms], Terms]:
    """Make an edit of terms."""
    return lambda before: replace(before, **terms)


async def change(assignments: Assignments, assignment: Assignment, **terms: Any) -> Assignment:
    """Change an assignment."""
    return await assignments.change(TENANT, assignment.assignment_id, edit(**terms), author="ann")


@pytest.mark.parametrize("part", list(CHANGES))
async def test_refused_while_a_campaign_lives(ground: Ground, assignments: Assignments, part: str) -> None:
    """Whatever is changed, by the campaign's name, with what stops it instead."""
    assignment = await ground.assign(version="1.0.0")
    await moved(ground.pool, await kept(ground.pool, assignment_id=assignment.assignment_id), Rollout(State.PAUSED))

    with pytest.raises(AssignmentBusy, match=rf"{DRAFT.name}.*pause.*abort"):
        await change(assignments, assignment, **{part: CHANGES[part]})

    assert await assignments.get(TENANT, assignment.assignment_id) == assignment


async def test_neither_removed_nor_in_the_way_of_the_same_again(ground: Ground, assignments: Assignments) -> None:
    """Saying what is so already changes nothing, and other assignments are free."""
    assignment, other = await ground.assign(version="1.0.0"), await ground.assign("other", version="1.0.0")
    await moved(ground.pool, await kept(ground.pool, assignment_id=assignment.assignment_id), Rollout(State.HALTED))

    with pytest.raises(AssignmentBusy):
        await assignments.delete(TENANT, assignment.assignment_id)
    assert (await change(assignments, assignment, version="1.0.0", enabled=True)).revision == assignment.revision
    assert (await change(assignments, other, enabled=False)).revision == 2
    await assignments.delete(TENANT, other.assignment_id)


async def test_allowed_before_and_after(ground: Ground, assignments: Assignments) -> None:
    """A draft holds nothing, and neither does a campaign that has ended."""
    assignment = await ground.assign(version="1.0.0")
    campaign = await kept(ground.pool, assignment_id=assignment.assignment_id)
    for number, state in enumerate((State.DRAFT, State.COMPLETED, State.ABORTED)):
        await moved(ground.pool, campaign, Rollout(state))
        assert (await change(assignments, assignment, priority=number + 1)).revision == number + 2


async def test_start_and_change_at_once(ground: Ground, assignments: Assignments) -> None:
    """One of both is first; the campaign that lives stands on what the assignment is."""
    await ground.publish("1.0.0")
    await ground.publish("1.1.0")
    campaigns = Campaigns(ground.pool, AssignmentOffers())
    for number in range(5):
        name = f"a{number}"
        assignment = await ground.assign(name, version="1.0.0")
        made = await campaigns.create(TENANT, replace(DRAFT, name=name), assignment.assignment_id, "ann")

        begun, changed = await asyncio.gather(
            campaigns.steer(TENANT, made.campaign_id, "start", expected_revision=0, author="bob"),
            change(assignments, assignment, priority=7),
            return_exceptions=True,
        )

        assert not isinstance(begun, BaseException), begun
        assert isinstance(changed, AssignmentBusy) or not isinstance(changed, BaseException), changed
        now = await assignments.get(TENANT, assignment.assignment_id)
        assert begun.assignment_revision == now.revision
