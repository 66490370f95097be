"""Everybody at once: agents, people, campaigns and replicas; nobody stops anybody, and the end is right."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from package_service.offering import choices
from package_service.offering.standing import State
from world import facts as say
from world.eventually import wait_until

from .offering_ground import TENANT, Agent, Ground

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from servicekit.bus import Bus

    from .offering_ground import Gateway

AGENTS = 40
ROUNDS = 6


async def facts(ground: Ground, agents: list[Agent]) -> None:
    """Agents come, again and again."""
    for turn in range(ROUNDS):
        await ground.hear(*(fact for agent in agents for fact in (*agent.connected(), agent.health("x" * turn))))


async def look(ground: Ground) -> None:
    """A replica looks at who is due."""
    for _ in range(ROUNDS * 3):
        await ground.look()


async def people(ground: Ground, assignment_id: UUID) -> None:
    """Somebody changes the assignment and publishes files."""
    for turn in range(ROUNDS):
        await ground.assignments.change(
            TENANT,
            assignment_id,
            lambda terms, turn=turn: replace(terms, priority=turn),  # type: ignore[misc]
            author="ann",
        )
        await ground.publish(f"1.{turn}.1")


async def campaign(pool: asyncpg.Pool, assignment_id: UUID, uids: list[bytes]) -> None:
    """Somebody chooses for agents, in no order."""
    for turn in range(ROUNDS):
        chosen = uids[turn::2][::-1]
        async with pool.acquire() as connection, connection.transaction():
            await choices.set_many(connection, TENANT, assignment_id, chosen, "2.0.0")
        async with pool.acquire() as connection, connection.transaction():
            await choices.clear(connection, TENANT, assignment_id, chosen[::2])


async def test_no_two_of_them_wait_for_each_other(pool: asyncpg.Pool, bus: Bus, gateway: Gateway) -> None:
    """Two replicas take facts and look, an assignment changes, agents are chosen, files come and go."""
    one, two = Ground(pool, bus), Ground(pool, bus)
    agents = [Agent(say.uid_of(number)) for number in range(AGENTS)]
    for version in ("1.0.0", "2.0.0"):
        await one.publish(version)
    assignment = await one.assign(version="1.0.0")

    async with asyncio.TaskGroup() as group:
        for work in (
            facts(one, agents[: AGENTS // 2]),
            facts(two, agents[AGENTS // 2 :]),
            look(one),
            look(two),
            people(one, assignment.assignment_id),
            campaign(pool, assignment.assignment_id, [agent.uid for agent in agents]),
        ):
            group.create_task(work)
    async with pool.acquire() as connection, connection.transaction():
        await choices.clear(connection, TENANT, assignment.assignment_id, None)

    async def settled() -> bool:
        await one.look()
        return {(await one.standing(agent.uid)).version for agent in agents} == {"1.0.0"}

    await wait_until(settled, within=60)
    assert gateway.offers
    assert {(await one.standing(agent.uid)).state for agent in agents} == {State.PENDING}
