"""Events about agents: the deleted stay away, and who is lost with its gateway is known to be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fleet.events.v1 import agent_pb2
from package_service.offering import choices
from world import facts as say

from .offering_ground import TENANT, Agent

if TYPE_CHECKING:
    from .offering_ground import Gateway, Ground


def event(agent: Agent, what: str, epoch: int | None = None, sequence: int = 1) -> agent_pb2.AgentEvent:
    """Write an event as agent-state does."""
    epoch = agent.epoch if epoch is None else epoch
    told = agent_pb2.AgentEvent(tenant_id=TENANT, instance_uid=agent.uid, epoch=epoch, sequence=sequence)
    getattr(told, what).SetInParent()
    return told


async def known(ground: Ground) -> int:
    """Count the agents there are."""
    count: int = await ground.pool.fetchval("SELECT count(*) FROM package_target")
    return count


async def test_deleted_agent_is_forgotten_unless_it_came_back(ground: Ground) -> None:
    """With where it stands and what was chosen for it; an older deletion, and other events, change nothing."""
    agent = Agent(say.uid_of(1), epoch=2)
    await ground.publish("1.0.0")
    assignment = await ground.assign()
    await ground.hear(*agent.connected())
    async with ground.pool.acquire() as connection, connection.transaction():
        await choices.set_many(connection, TENANT, assignment.assignment_id, [agent.uid], "1.0.0")
    await ground.learn(event(agent, "deleted", 1), event(agent, "described"))
    assert (await ground.target(agent.uid)).connected
    await ground.learn(event(agent, "deleted"), event(agent, "deleted"), event(agent, "offline"))

    assert await known(ground) == 0
    assert await ground.pool.fetchval("SELECT count(*) FROM agent_package") == 0
    assert await ground.pool.fetchval("SELECT count(*) FROM package_choice") == 0


async def test_nothing_said_before_brings_a_deleted_agent_back(ground: Ground) -> None:
    """Facts come by another stream, later and more than once; a new connection is a new life."""
    agent, other = Agent(say.uid_of(1), epoch=2), Agent(say.uid_of(2), epoch=2)
    facts = [*agent.connected(), agent.health("no disk"), agent.disconnected()]
    await ground.hear(*facts)
    await ground.learn(event(agent, "deleted"), event(other, "deleted", 1))
    for fact in facts:
        await ground.hear(fact)
    await ground.hear(*facts)
    assert await known(ground) == 0
    await ground.hear(*other.connected())
    assert await known(ground) == 1

    agent.epoch = 3
    await ground.hear(*facts, *agent.connected())
    target = await ground.target(agent.uid)
    assert (target.epoch, target.connected, target.healthy) == (3, True, None)


async def test_deletion_waits_for_facts_that_are_being_taken_in(ground: Ground) -> None:
    """Else a row could be written after the look at the graves and before the deletion."""
    agent = Agent(say.uid_of(1))
    async with ground.pool.acquire() as connection, asyncio.TaskGroup() as group:
        async with connection.transaction():
            await ground.consumer.apply(connection, [say.batch(*agent.connected())])
            deletion = group.create_task(ground.learn(event(agent, "deleted")))
            async with ground.pool.acquire() as watcher:
                waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                while not await watcher.fetchval(waiting):
                    assert not deletion.done()
                    await asyncio.sleep(0)

    assert await known(ground) == 0


async def test_agent_lost_with_its_gateway_is_not_connected(ground: Ground, gateway: Gateway) -> None:
    """No gateway says so; found again on the same connection, or come on another one, it is."""
    agent = Agent(say.uid_of(1), epoch=2)
    await ground.hear(*agent.connected())
    await ground.learn(event(agent, "offline", 1))
    assert (await ground.target(agent.uid)).connected
    await ground.learn(event(agent, "offline"))
    assert not (await ground.target(agent.uid)).connected

    await ground.publish("1.0.0")
    await ground.assign()
    await ground.look()
    assert gateway.lists_for(agent.uid) == []
    await ground.learn(event(agent, "online", 1))
    assert not (await ground.target(agent.uid)).connected
    await ground.learn(event(agent, "online"))
    assert (await ground.target(agent.uid)).connected
    await gateway.list_for(agent.uid, 1)

    await ground.learn(event(agent, "offline"), event(agent, "online"), event(agent, "offline"))
    assert not (await ground.target(agent.uid)).connected
    agent.epoch = 3
    await ground.hear(*agent.connected())
    assert (await ground.target(agent.uid)).connected


async def test_loss_may_be_heard_before_the_connection(ground: Ground) -> None:
    """Events and facts keep no order between them; a session that went on elsewhere is alive."""
    agent = Agent(say.uid_of(1))
    await ground.hear(*agent.connected())
    agent.epoch = 2
    await ground.learn(event(agent, "offline", sequence=5))
    await ground.hear(*agent.connected())
    assert not (await ground.target(agent.uid)).connected
    await ground.hear(say.health(agent.uid, 2, 1 << 32 | 1))
    assert (await ground.target(agent.uid)).connected


@pytest.mark.parametrize("uid", [b"", b"short"])
async def test_events_of_no_agent_are_left_out(ground: Ground, uid: bytes) -> None:
    """A uid of another length, an agent nobody heard of, and kinds that do not matter here."""
    agent = Agent(say.uid_of(1))
    broken = event(agent, "deleted")
    broken.instance_uid = uid
    await ground.learn(broken, event(agent, "offline"), event(agent, "online"), event(agent, "described"))

    assert await known(ground) == 0
    assert await ground.pool.fetchval("SELECT count(*) FROM package_grave") == 0
