"""How far agents are, as campaigns see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.offering import progress
from world import facts as say

from .offering_ground import TENANT, Agent

if TYPE_CHECKING:
    from .offering_ground import Gateway, Ground


async def test_state_health_and_connection_of_each(ground: Ground, gateway: Gateway) -> None:
    """Of the agents the assignment decides for; others are left out."""
    done, failed, gone = Agent(say.uid_of(1)), Agent(say.uid_of(2)), Agent(say.uid_of(3))
    other = Agent(say.uid_of(4), {"os.type": "linux", "host.arch": "amd64"})
    await ground.publish("1.0.0")
    assignment = await ground.assign()
    for agent in (done, failed, gone, other):
        await ground.hear(*agent.connected())
    content_hash, available = await gateway.list_for(done.uid, 1)
    await ground.hear(done.delivered(content_hash), done.tells(available), done.health())
    await ground.hear(failed.delivered(content_hash), failed.tells(available, "InstallFailed", "disk full"))
    await ground.hear(gone.disconnected())
    uids = [agent.uid for agent in (done, failed, gone, other)]
    found = await progress.of(ground.pool, TENANT, assignment.assignment_id, uids)

    assert set(found) == {done.uid, failed.uid, gone.uid}
    assert (found[done.uid].version, found[done.uid].state, found[done.uid].healthy) == ("1.0.0", "installed", True)
    assert (found[failed.uid].state, found[failed.uid].error, found[failed.uid].healthy) == (
        "failed",
        "disk full",
        None,
    )
    assert (found[gone.uid].state, found[gone.uid].connected) == ("pending", False)
    assert found[failed.uid].since >= found[gone.uid].since
