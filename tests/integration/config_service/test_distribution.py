from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from config_service import target_store
from config_service.configurations import Configurations
from config_service.distribution import STEP, Distribution
from config_service.document import Draft
from config_service.matcher import Matcher
from config_service.reconcile import DEFAULT_POLICY
from config_service.target import Target
from contracts import subjects
from fleet.api.v1 import config_service_pb2 as api
from fleet.events.v1 import facts_pb2
from servicekit.errors import Unavailable
from world.facts import uid_of

from .conftest import TENANT, FakeAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import asyncpg

    from config_service.offers import OfferDesk
    from config_service.registry import RegistryDesk

    from .conftest import Running


@pytest.fixture
def overrides() -> dict[str, object]:
    """Name a fallback, and make no repeats that would blur the count."""
    return {"no_match_policy": "fallback", "fallback_configuration": "safe", "redo_first_seconds": 30.0}


async def test_fallback_serves_agents_nothing_matches(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """When the matching one goes, the named fallback takes its place; when the fallback is written, it reaches them."""
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    prod = await service.create("prod", "a: 1", {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: service.gateway.offered_to(agent.uid) == [prod.config_hash])
    safe = await service.create("safe", "b: 1")

    await service.bus.call(
        subjects.DELETE_CONFIGURATION, api.DeleteConfigurationRequest(tenant_id=TENANT, name="prod", author="dan")
    )

    await eventually(lambda: service.gateway.offered_to(agent.uid) == [prod.config_hash, safe.config_hash])
    explained = await service.agent(agent.uid)
    assert explained is not None
    assert (explained.configuration_name, explained.reason) == ("safe", "fallback")
    changed = (await service.update("safe", raw_config="b: 2")).configuration
    await eventually(lambda: service.gateway.offered_to(agent.uid)[-1] == changed.config_hash)


async def test_facts_and_reconnects_of_a_settled_fleet_send_nothing(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """No resend storm: a hundred agents that run it reconnect ten times and hear nothing."""
    made = await service.create("safe", "b: 1")
    agents = [FakeAgent(uid_of(number), {"env": "prod"}) for number in range(100)]
    await service.say(*(fact for agent in agents for fact in agent.connected()))
    await eventually(lambda: sum(len(offer.targets) for offer in service.gateway.offers) == 100)
    await service.say(*(agent.delivered(made.config_hash) for agent in agents))
    await service.say(*(agent.status("APPLIED", made.config_hash) for agent in agents))

    for epoch in range(2, 12):
        for agent in agents:
            agent.epoch = epoch
        await service.say(*(fact for agent in agents for fact in (*agent.connected(), agent.health())))

    async def all_seen() -> bool:
        query = "SELECT count(*) FROM agent_target WHERE epoch = 11 AND state = 'applied' AND healthy"
        return int(await service.pool.fetchval(query)) == len(agents)

    await eventually(all_seen)
    offered = [service.gateway.offered_to(agent.uid) for agent in agents]
    assert offered == [[made.config_hash]] * len(agents)
    full_state = facts_pb2.OFFER_KIND_REPORT_FULL_STATE
    assert all(len(service.gateway.offered_to(agent.uid, full_state)) <= 1 for agent in agents)
    assert await service.pool.fetchval("SELECT count(*) FROM attempt") == 100


class Desk:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def put(self, given: Iterable[Any]) -> None:
        """Take orders or entries."""
        self.given.extend(given)

    def learn(self, contents: Iterable[Any]) -> None:
        """Take contents."""
        assert len(list(contents)) <= 1


@dataclass
class Bench:
    """Configurations over a database with a fleet of several steps in it, and what was handed to the desks."""

    configurations: Configurations
    offers: Desk
    registry: Desk
    uids: list[bytes]


@pytest.fixture
async def bench(pool: asyncpg.Pool) -> Bench:
    """Store a fleet that matches nothing yet."""
    fleet = [
        Target(TENANT, uid_of(number), epoch=1, gateway_id="gw", connected=True, capabilities=2, labels={"env": "prod"})
        for number in range(3 * STEP + 1)
    ]
    async with pool.acquire() as connection, connection.transaction():
        await target_store.save(connection, TENANT, {}, fleet)
    offers, registry = Desk(), Desk()
    distribution = Distribution(Matcher(), DEFAULT_POLICY, cast("OfferDesk", offers), cast("RegistryDesk", registry))
    return Bench(Configurations(pool, distribution), offers, registry, [target.uid for target in fleet])


DRAFT = Draft(content_type="yaml", raw_config="a: 1", selector={"env": "prod"}, priority=1)


async def test_change_of_many_steps_reaches_everybody_once(bench: Bench, pool: asyncpg.Pool) -> None:
    """Steps overlap; each agent gets one order, one entry and one attempt."""
    made = await bench.configurations.create(TENANT, "a", DRAFT, author="ann", comment="")

    assert sorted(order.uid for order in bench.offers.given) == sorted(bench.uids)
    assert {order.content_hash for order in bench.offers.given} == {made.config_hash}
    assert sorted(entry[1] for entry in bench.registry.given) == sorted(bench.uids)
    rows = await pool.fetch("SELECT uid, count(*) FROM attempt WHERE name = 'a' GROUP BY uid")
    assert {row["uid"]: row["count"] for row in rows} == dict.fromkeys(bench.uids, 1)
    assert await target_store.states(pool, TENANT, "a") == ({"pending": len(bench.uids)}, len(bench.uids))


async def test_change_that_fails_half_way_leaves_nothing(
    bench: Bench, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault of one step is what the caller sees; nobody is told, nothing is stored, and the next change works."""
    save, calls = target_store.save, itertools.count()

    async def fails_once(*arguments: Any) -> Any:
        if next(calls) == 1:
            raise Unavailable("the database is away")
        return await save(*arguments)

    monkeypatch.setattr(target_store, "save", fails_once)
    with pytest.raises(Unavailable):
        await bench.configurations.create(TENANT, "a", DRAFT, author="ann", comment="")

    assert (bench.offers.given, bench.registry.given) == ([], [])
    assert await pool.fetchval("SELECT (SELECT count(*) FROM attempt) + (SELECT count(*) FROM configuration)") == 0
    await bench.configurations.create(TENANT, "a", DRAFT, author="ann", comment="")
    assert len(bench.offers.given) == len(bench.uids)
