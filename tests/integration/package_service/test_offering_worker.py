"""What happens without being told by an agent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from package_service.offering import target_marks, target_store, worker
from package_service.offering.reconcile import Policy
from package_service.offering.standing import State
from servicekit.bus import Bus
from servicekit.errors import Unavailable
from world import facts as say
from world.eventually import wait_until

from .offering_ground import TENANT, Agent, Ground

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from servicekit.postgres import Connection

    from .offering_ground import Gateway


async def test_assignment_reaches_agents_that_are_there(ground: Ground, gateway: Gateway) -> None:
    """Made after they came: they are due at once."""
    agents = [Agent(say.uid_of(number)) for number in range(3)]
    await ground.publish("1.0.0")
    await ground.hear(*(fact for agent in agents for fact in agent.connected()))
    await ground.assign()
    await ground.look()

    assert [len(offer.targets) for offer in gateway.offers] == [3]


async def test_only_agents_that_have_to_do_with_a_change_are_looked_at(ground: Ground) -> None:
    """A new version of a package concerns those that should have the package."""
    ours, theirs = Agent(say.uid_of(1)), Agent(say.uid_of(2), {"os.type": "linux", "host.arch": "amd64"})
    await ground.publish("1.0.0")
    await ground.publish("1.0.0", name="other")
    await ground.assign()
    await ground.hear(*ours.connected(), *theirs.connected())
    await ground.look()

    await ground.publish("2.0.0")
    assert await ground.worker.take_changes(TENANT) == 1
    await ground.publish("2.0.0", name="other")
    assert await ground.worker.take_changes(TENANT) == 0
    assert await ground.pool.fetchval("SELECT count(*) FROM package_change") == 0


async def test_others_go_on_while_a_fleet_is_marked(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of files keeps nobody waiting for longer than a piece; broken off, it is begun again."""
    agents = [Agent(say.uid_of(number)) for number in range(5)]
    newcomer = Agent(say.uid_of(9))
    await ground.publish("1.0.0")
    await ground.assign()
    await ground.hear(*(fact for agent in agents for fact in agent.connected()))
    await ground.look()
    await ground.publish("2.0.0")
    monkeypatch.setattr(worker, "CHUNK", 2)
    marks, pieces = target_marks.mark, list[int]()

    async def marked(connection: Connection, tenant_id: str, uids: Sequence[bytes]) -> int:
        pieces.append(len(uids))
        count = await marks(connection, tenant_id, uids)
        if len(pieces) == 2:
            # Held until this piece is committed: other agents, and new ones, are not.
            async with asyncio.timeout(30):
                await ground.hear(*newcomer.connected(), agents[4].health())
            raise Unavailable("the database went away")
        return count

    monkeypatch.setattr(target_marks, "mark", marked)
    with pytest.raises(Unavailable):
        await ground.worker.take_changes(TENANT)
    assert (await ground.standing(newcomer.uid)).version == "2.0.0"
    assert [(await ground.target(agent.uid)).dirty for agent in agents] == [True, True, False, False, False]

    assert await ground.worker.take_changes(TENANT) == 6
    assert pieces == [2, 2, 2, 2, 2]
    await ground.look()
    assert {(await ground.standing(agent.uid)).version for agent in agents} == {"2.0.0"}


async def test_undelivered_offer_is_repeated_to_every_gateway(pool: asyncpg.Pool, bus: Bus, gateway: Gateway) -> None:
    """Who did not get it may be elsewhere by now."""
    ground = Ground(pool, bus, Policy(redo_first=timedelta(0), redo_most=timedelta(0)))
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.assign()
    await ground.hear(*agent.connected())
    await ground.look()

    await gateway.list_for(agent.uid, 2)
    assert (len(gateway.offers), len(gateway.broadcasts)) == (1, 1)
    assert gateway.broadcasts[0].content_hash == gateway.offers[0].content_hash


async def test_offer_nobody_spoke_is_spoken_by_another_replica(pool: asyncpg.Pool, bus: Bus, gateway: Gateway) -> None:
    """Killed between writing it down and saying it: whoever looks next says it, with nothing remembered."""
    eager = Policy(redo_first=timedelta(0), redo_most=timedelta(0))
    killed, other = Ground(pool, bus, eager), Ground(pool, bus, eager)
    agent = Agent(say.uid_of(1))
    await killed.publish("1.0.0")
    await killed.hear(*agent.connected())
    await killed.assign()
    await killed.worker.look()
    assert (await other.target(agent.uid)).offer_count == 1
    assert gateway.offers == []
    await other.look()

    _, available = await gateway.list_for(agent.uid, 1)
    assert available.packages["collector"].version == "1.0.0"


async def test_silence_is_timed_out(pool: asyncpg.Pool, bus: Bus, gateway: Gateway) -> None:
    """Delivered and never answered: the agent is asked, then its package has timed out."""
    ground = Ground(pool, bus, Policy(probe_after=timedelta(0), report_timeout=timedelta(0)))
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.assign()
    await ground.hear(*agent.connected())
    content_hash, _ = await gateway.list_for(agent.uid, 1)
    await ground.hear(agent.delivered(content_hash))

    assert (await ground.standing(agent.uid)).state is State.TIMED_OUT
    assert await ground.ledger(agent.uid) == [("1.0.0", "timed_out", 1)]


async def test_agents_somebody_else_has_at_hand_are_left_to_them(ground: Ground) -> None:
    """Replicas do not wait for each other; what is still due comes again."""
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.hear(*agent.connected())
    await ground.assign()
    async with ground.pool.acquire() as connection, connection.transaction():
        await target_store.load(connection, TENANT, [agent.uid], lock=True)
        await ground.look()
        assert (await ground.target(agent.uid)).dirty
    await ground.look()

    assert not (await ground.target(agent.uid)).dirty


async def test_nothing_is_decided_while_the_bus_is_away(ground: Ground) -> None:
    """An offer nobody can hear would only count as tried."""
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.hear(*agent.connected())
    await ground.assign()
    await ground.bus.close()

    assert await ground.worker.look() is False
    assert (await ground.target(agent.uid)).dirty


async def test_woken_it_looks_at_once(ground: Ground, gateway: Gateway) -> None:
    """Its own rhythm is a minute here."""
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.hear(*agent.connected())
    async with asyncio.TaskGroup() as group:
        desk = group.create_task(ground.desk.run())
        work = group.create_task(ground.worker.run())
        await ground.assign()
        await gateway.list_for(agent.uid, 1)

        async def rests() -> bool:
            return not (await ground.target(agent.uid)).dirty

        await wait_until(rests, within=30)
        desk.cancel()
        work.cancel()
