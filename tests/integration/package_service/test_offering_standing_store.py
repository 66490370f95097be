"""Where the agents of one assignment stand, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fleet.api.v1 import page_pb2
from package_service.offering import standing_store
from servicekit.paging import cut, page_of
from world import facts as say

from .offering_ground import TENANT, Agent

if TYPE_CHECKING:
    from .offering_ground import Gateway, Ground


async def test_every_agent_once(ground: Ground, gateway: Gateway) -> None:
    """By uid; filtered by state; of other assignments nobody."""
    agents = [Agent(say.uid_of(number)) for number in range(5)]
    await ground.publish("1.0.0")
    assignment = await ground.assign()
    await ground.hear(*(fact for agent in agents for fact in agent.connected()))
    _, available = await gateway.list_for(agents[0].uid, 1)
    await ground.hear(agents[3].tells(available))
    seen, cursor = [], ""
    while True:
        page = page_of(page_pb2.PageRequest(limit=2, cursor=cursor))
        rows = await standing_store.list_rows(ground.pool, TENANT, assignment.assignment_id, page)
        shown, cursor = cut(rows, page, lambda row: (row[0].uid.hex(),))
        seen += [target.uid for target, _ in shown]
        if not cursor:
            break
    whole = page_of(page_pb2.PageRequest(limit=10))
    done = await standing_store.list_rows(ground.pool, TENANT, assignment.assignment_id, whole, states=["installed"])

    assert seen == [agent.uid for agent in agents]
    assert [target.uid for target, _ in done] == [agents[3].uid]
    assert await standing_store.list_rows(ground.pool, TENANT, UUID(int=1), whole) == []
    assert await standing_store.names_of(ground.pool, TENANT, [assignment.assignment_id, UUID(int=1)]) == {
        assignment.assignment_id: "all"
    }
