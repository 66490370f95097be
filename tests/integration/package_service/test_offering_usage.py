"""What is offered can neither be removed nor switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from package_service.catalogue import Catalogue
from package_service.errors import PackageInUse
from package_service.offering import choices
from world import facts as say

from .offering_ground import TENANT, Agent

if TYPE_CHECKING:
    from package_service.file_store import File

    from .offering_ground import Gateway, Ground


async def refused(ground: Ground, file: File) -> list[str]:
    """Try to remove and to switch off a file; returns who needs it."""
    catalogue = Catalogue(ground.pool)
    with pytest.raises(PackageInUse) as one:
        await catalogue.delete(TENANT, file.file_id, author="ann")
    with pytest.raises(PackageInUse) as other:
        await catalogue.set_active(TENANT, file.file_id, active=False, author="ann")
    assert one.value.details == other.value.details
    assert [problem.field for problem in one.value.details] == ["assignment"] * len(one.value.details)
    return [problem.message for problem in one.value.details]


async def test_users_are_named(ground: Ground, gateway: Gateway) -> None:
    """Assignments with how many agents have it on their lists, and those that name its version."""
    file, newer = await ground.publish("1.0.0"), await ground.publish("2.0.0")
    other = await ground.publish("1.0.0", platform="windows")
    old = await ground.assign("old", version="1.0.0")
    await ground.assign("new", selector={"site": "b"})
    await ground.assign("pinned-off", version="2.0.0", enabled=False)
    await ground.hear(*Agent(say.uid_of(1)).connected(), *Agent(say.uid_of(2)).connected())
    await gateway.list_for(say.uid_of(1), 1)

    assert await refused(ground, file) == ["old offers it to 2 agents"]
    assert await refused(ground, other) == ["old names version 1.0.0"]
    async with ground.pool.acquire() as connection:
        await choices.set_many(connection, TENANT, old.assignment_id, [say.uid_of(9)], "2.0.0")
    assert await refused(ground, newer) == ["old names version 2.0.0"]


async def test_what_nobody_needs_goes(ground: Ground, gateway: Gateway) -> None:
    """Once the assignment is gone and agents were looked at; switching on is always allowed."""
    file = await ground.publish("1.0.0")
    assignment = await ground.assign()
    agent = Agent(say.uid_of(1))
    await ground.hear(*agent.connected())
    await gateway.list_for(agent.uid, 1)
    await ground.assignments.delete(TENANT, assignment.assignment_id)
    assert await refused(ground, file) == ["a removed one offers it to 1 agent"]
    await ground.look()
    catalogue = Catalogue(ground.pool)

    assert not (await catalogue.set_active(TENANT, file.file_id, active=False, author="ann")).active
    assert (await catalogue.set_active(TENANT, file.file_id, active=True, author="ann")).active
    await catalogue.delete(TENANT, file.file_id, author="ann")


async def test_what_failed_and_was_replaced_is_still_in_use(ground: Ground, gateway: Gateway) -> None:
    """The version an agent was put back on is on its list."""
    agent = Agent(say.uid_of(1))
    former = await ground.publish("1.0.0")
    await ground.assign()
    await ground.hear(*agent.connected())
    _, first = await gateway.list_for(agent.uid, 1)
    await ground.hear(agent.tells(first))
    await ground.publish("2.0.0")
    await ground.look()
    content_hash, second = await gateway.list_for(agent.uid, 2)
    await ground.hear(agent.delivered(content_hash), agent.tells(second, "InstallFailed", "no"))

    assert await refused(ground, former) == ["all offers it to 1 agent"]
