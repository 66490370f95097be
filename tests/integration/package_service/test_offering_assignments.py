"""What people do with assignments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from package_service.errors import (
    AgentPackageNotFound,
    AssignmentChanged,
    AssignmentExists,
    AssignmentNotFound,
    InvalidPackage,
    NothingToRetry,
    QuotaExceeded,
)
from package_service.offering import assignments as module
from package_service.offering.assignment import Terms
from package_service.offering.standing import State
from world import facts as say

from .offering_ground import TENANT, Agent

if TYPE_CHECKING:
    from .offering_ground import Gateway, Ground


async def test_names_are_taken_once_and_terms_are_tidy(ground: Ground) -> None:
    """Said twice in a list is said once; a name again is a conflict."""
    made = await ground.assign(groups=("b", "a", "b"), agents=(say.uid_of(2), say.uid_of(1), say.uid_of(2)))

    assert made.terms.groups == ("a", "b")
    assert made.terms.agents == (say.uid_of(1), say.uid_of(2))
    with pytest.raises(AssignmentExists):
        await ground.assign()


async def test_what_cannot_be_changes_nothing(ground: Ground) -> None:
    """Wrong terms, another revision, none of that id."""
    made = await ground.assign()
    with pytest.raises(InvalidPackage):
        await ground.assign("Wrong Name")
    for assignment_id, revision, version, error in (
        (made.assignment_id, 0, "nonsense", InvalidPackage),
        (made.assignment_id, 7, "1.0.0", AssignmentChanged),
        (UUID(int=1), 0, "1.0.0", AssignmentNotFound),
    ):
        with pytest.raises(error):
            await ground.assignments.change(
                TENANT,
                assignment_id,
                lambda terms, version=version: replace(terms, version=version),  # type: ignore[misc]
                expected_revision=revision,
                author="bob",
            )
    with pytest.raises(AssignmentChanged):
        await ground.assignments.delete(TENANT, made.assignment_id, expected_revision=2)
    with pytest.raises(AssignmentNotFound):
        await ground.assignments.delete("other", made.assignment_id)

    assert await ground.assignments.get(TENANT, made.assignment_id) == made


async def test_revision_grows_with_changes_only(ground: Ground) -> None:
    """The same terms again are no change."""
    made = await ground.assign()
    same = await ground.assignments.change(TENANT, made.assignment_id, lambda terms: terms, author="bob")
    other = await ground.assignments.change(
        TENANT, made.assignment_id, lambda terms: replace(terms, priority=3), expected_revision=1, author="bob"
    )

    assert same == made
    assert (other.revision, other.terms.priority, other.updated_by) == (2, 3, "bob")


async def test_tenant_may_have_so_many(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """More are refused, and another tenant has its own."""
    monkeypatch.setattr(module, "MAX_ASSIGNMENTS", 1)
    await ground.assign()
    with pytest.raises(QuotaExceeded):
        await ground.assign("two")

    await ground.assignments.create("other", "two", Terms("collector"), author="ann")


async def test_higher_priority_takes_over_and_gives_back(ground: Ground, gateway: Gateway) -> None:
    """When it is switched off the former one decides again."""
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.publish("2.0.0")
    await ground.assign("low", version="1.0.0")
    high = await ground.assign("high", version="2.0.0", priority=1)
    await ground.hear(*agent.connected())
    assert (await ground.standing(agent.uid)).version == "2.0.0"
    await ground.assignments.change(
        TENANT, high.assignment_id, lambda terms: replace(terms, enabled=False), author="bob"
    )
    await ground.look()

    assert (await gateway.list_for(agent.uid, 2))[1].packages["collector"].version == "1.0.0"


async def test_retry_is_for_what_was_given_up(ground: Ground) -> None:
    """What goes on is left alone; of a package nobody assigned there is nothing to try."""
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.assign()
    await ground.hear(*agent.connected())

    with pytest.raises(NothingToRetry, match="collector is pending on this agent and nothing of it has failed"):
        await ground.assignments.retry(TENANT, agent.uid, "collector", author="eve")
    for uid, package in ((agent.uid, "plugin"), (say.uid_of(9), "collector")):
        with pytest.raises(AgentPackageNotFound):
            await ground.assignments.retry(TENANT, uid, package, author="eve")


async def test_what_failed_before_may_be_asked_for_while_something_else_is_installed(
    ground: Ground, gateway: Gateway
) -> None:
    """As after a campaign that put it back: once; then it is offered again when it is wanted again."""
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.publish("2.0.0")
    assignment = await ground.assign(version="2.0.0")

    async def pin(version: str) -> None:
        await ground.assignments.change(
            TENANT, assignment.assignment_id, lambda terms: replace(terms, version=version), author="ann"
        )
        await ground.look()

    await ground.hear(*agent.connected())
    _, first = await gateway.list_for(agent.uid, 1)
    await ground.hear(agent.tells(first, "InstallFailed", "no proxy"))
    await pin("1.0.0")
    former = gateway.lists_for(agent.uid)[-1][1]
    await ground.hear(agent.tells(former))
    assert (await ground.standing(agent.uid)).state is State.INSTALLED
    await pin("2.0.0")
    assert (await ground.standing(agent.uid)).state is State.FAILED
    await pin("1.0.0")
    await ground.hear(agent.tells(former))

    await ground.assignments.retry(TENANT, agent.uid, "collector", author="eve")
    with pytest.raises(NothingToRetry):
        await ground.assignments.retry(TENANT, agent.uid, "collector", author="eve")
    await pin("2.0.0")
    assert (await ground.standing(agent.uid)).state is State.PENDING
