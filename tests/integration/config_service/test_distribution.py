from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import subjects
from fleet.api.v1 import config_service_pb2 as api
from fleet.events.v1 import facts_pb2
from world.facts import uid_of

from .conftest import TENANT, FakeAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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
    await eventually(lambda: service.gateway.offered_to(agent.uid) == [prod.config_hash], within=10)
    safe = await service.create("safe", "b: 1")

    await service.bus.call(
        subjects.DELETE_CONFIGURATION, api.DeleteConfigurationRequest(tenant_id=TENANT, name="prod", author="dan")
    )

    await eventually(lambda: service.gateway.offered_to(agent.uid) == [prod.config_hash, safe.config_hash], within=10)
    explained = await service.agent(agent.uid)
    assert explained is not None
    assert (explained.configuration_name, explained.reason) == ("safe", "fallback")
    changed = (await service.update("safe", raw_config="b: 2")).configuration
    await eventually(lambda: service.gateway.offered_to(agent.uid)[-1] == changed.config_hash, within=10)


async def test_facts_and_reconnects_of_a_settled_fleet_send_nothing(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """No resend storm: a hundred agents that run it reconnect ten times and hear nothing."""
    made = await service.create("safe", "b: 1")
    agents = [FakeAgent(uid_of(number), {"env": "prod"}) for number in range(100)]
    await service.say(*(fact for agent in agents for fact in agent.connected()))
    await eventually(lambda: sum(len(offer.targets) for offer in service.gateway.offers) == 100, within=10)
    await service.say(*(agent.delivered(made.config_hash) for agent in agents))
    await service.say(*(agent.status("APPLIED", made.config_hash) for agent in agents))

    for epoch in range(2, 12):
        for agent in agents:
            agent.epoch = epoch
        await service.say(*(fact for agent in agents for fact in (*agent.connected(), agent.health())))

    async def all_seen() -> bool:
        query = "SELECT count(*) FROM agent_target WHERE epoch = 11 AND state = 'applied' AND healthy"
        return int(await service.pool.fetchval(query)) == len(agents)

    await eventually(all_seen, within=20)
    offered = [service.gateway.offered_to(agent.uid) for agent in agents]
    assert offered == [[made.config_hash]] * len(agents)
    full_state = facts_pb2.OFFER_KIND_REPORT_FULL_STATE
    assert all(len(service.gateway.offered_to(agent.uid, full_state)) <= 1 for agent in agents)
    assert await service.pool.fetchval("SELECT count(*) FROM attempt") == 100
