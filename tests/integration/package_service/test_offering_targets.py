"""Whom an assignment decides for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from opamp.v1 import opamp_pb2 as opamp
from package_service.offering import progress, targets
from world import facts as say

from .offering_ground import CAPABILITIES, LINUX, TENANT, Agent

if TYPE_CHECKING:
    from .offering_ground import Ground


async def test_population_is_whom_it_wins_for(ground: Ground) -> None:
    """Connected or not, with a file or without; not who takes no packages, nor whom another assignment wins."""
    here, gone, strange = Agent(say.uid_of(1)), Agent(say.uid_of(2)), Agent(say.uid_of(3), {**LINUX, "os.type": "aix"})
    won, deaf = Agent(say.uid_of(4), {**LINUX, "site": "b"}), Agent(say.uid_of(5), capabilities=1)
    await ground.publish("1.0.0")
    assignment = await ground.assign()
    other = await ground.assign("site-b", selector={"site": "b"}, priority=1)
    for agent in (here, gone, strange, won, deaf):
        await ground.hear(*agent.connected())
    await ground.hear(gone.disconnected())

    found = await targets.population(ground.pool, TENANT, assignment.assignment_id)
    assert [uid for uid, _ in found] == [here.uid, gone.uid, strange.uid]
    assert found[0][1]["env"] == "prod"
    assert [uid for uid, _ in await targets.population(ground.pool, TENANT, other.assignment_id)] == [won.uid]


@pytest.mark.parametrize(
    "fields", [{"withheld": True}, {"capabilities": CAPABILITIES & ~opamp.AgentCapabilities_ReportsPackageStatuses}]
)
async def test_who_waits_for_approval_or_never_reports_is_in_no_population(
    ground: Ground, fields: dict[str, Any]
) -> None:
    """A campaign would wait for it in vain; approved, or able to tell, it is counted from its next connection on."""
    agent = Agent(say.uid_of(1), **fields)
    await ground.publish("1.0.0")
    assignment = await ground.assign()

    async def counted() -> tuple[int, int]:
        keys = (TENANT, assignment.assignment_id)
        return len(await targets.population(ground.pool, *keys)), len(
            await progress.of(ground.pool, *keys, [agent.uid])
        )

    await ground.hear(*agent.connected())
    assert await counted() == (0, 0)
    agent.epoch, agent.withheld, agent.capabilities = 2, False, CAPABILITIES
    await ground.hear(*agent.connected())
    assert await counted() == (1, 1)
    agent.epoch, agent.withheld = 3, True
    await ground.hear(*agent.connected())
    assert await counted() == (0, 0)
