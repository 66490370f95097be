"""Other versions for single agents."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from package_service.offering import choices
from package_service.offering.standing import State
from world import facts as say

from .offering_ground import TENANT, Agent

if TYPE_CHECKING:
    from .offering_ground import Gateway, Ground


async def test_agents_are_moved_one_after_another_and_back(ground: Ground, gateway: Gateway) -> None:
    """Chosen ones get the other version, the rest stays; cleared, the assignment counts again."""
    agents = [Agent(say.uid_of(number)) for number in range(3)]
    await ground.publish("1.0.0")
    await ground.publish("2.0.0")
    assignment = await ground.assign(version="1.0.0")
    await ground.hear(*(fact for agent in agents for fact in agent.connected()))

    async def versions() -> list[str]:
        await ground.look()
        return [(await ground.standing(agent.uid)).version for agent in agents]

    async def choose(uids: list[bytes]) -> None:
        async with ground.pool.acquire() as connection, connection.transaction():
            await choices.set_many(connection, TENANT, assignment.assignment_id, uids, "2.0.0")

    async def clear(uids: list[bytes] | None) -> None:
        async with ground.pool.acquire() as connection, connection.transaction():
            await choices.clear(connection, TENANT, assignment.assignment_id, uids)

    await choose([agents[0].uid, agents[0].uid, agents[2].uid])
    await choose([])
    assert await versions() == ["2.0.0", "1.0.0", "2.0.0"]
    await clear([agents[0].uid])
    assert await versions() == ["1.0.0", "1.0.0", "2.0.0"]
    await clear(None)
    assert await versions() == ["1.0.0"] * 3
    assert (await gateway.list_for(agents[2].uid, 1))[1].packages["collector"].version == "1.0.0"


async def test_choice_counts_as_asking_again(ground: Ground) -> None:
    """Contents of the version that failed before are forgotten, others are not; nor on agents nobody chose."""
    chosen, other = Agent(say.uid_of(1)), Agent(say.uid_of(2))
    await ground.publish("1.0.0")
    wanted = [await ground.publish("2.0.0"), await ground.publish("2.0.0", arch="any")]
    assignment = await ground.assign(version="1.0.0")
    await ground.hear(*chosen.connected(), *other.connected())
    kept = (b"a" * 32, b"b" * 32)
    failed = (kept[0], wanted[0].sha256, kept[1], wanted[1].sha256)
    await ground.pool.execute("UPDATE agent_package SET failed_hashes = $1", b"".join(failed))
    async with ground.pool.acquire() as connection, connection.transaction():
        await choices.set_many(connection, TENANT, assignment.assignment_id, [chosen.uid], "2.0.0")

    assert (await ground.standing(chosen.uid)).failed_hashes == kept
    assert (await ground.standing(other.uid)).failed_hashes == failed
    await ground.look()
    standing = await ground.standing(chosen.uid)
    assert (standing.version, standing.state) == ("2.0.0", State.PENDING)
    await ground.pool.execute("UPDATE agent_package SET failed_hashes = $1", wanted[0].sha256)
    async with ground.pool.acquire() as connection, connection.transaction():
        await choices.set_many(connection, TENANT, assignment.assignment_id, [chosen.uid], "2.0.0")
    assert (await ground.standing(chosen.uid)).failed_hashes == ()


async def test_assignment_must_exist(ground: Ground) -> None:
    """A choice belongs to one, and goes with it."""
    assignment = await ground.assign()
    async with ground.pool.acquire() as connection:
        await choices.set_many(connection, TENANT, assignment.assignment_id, [say.uid_of(1)], "2.0.0")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await choices.set_many(connection, TENANT, UUID(int=1), [say.uid_of(1)], "2.0.0")
    await ground.assignments.delete(TENANT, assignment.assignment_id)

    assert await ground.pool.fetchval("SELECT count(*) FROM package_choice") == 0
