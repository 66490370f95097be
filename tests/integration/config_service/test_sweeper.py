from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleet.events.v1 import facts_pb2
from servicekit import metrics
from world.facts import uid_of

from .conftest import FakeAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from devstack.nats import NatsServer

    from .conftest import Running

IMPATIENT: dict[str, object] = {
    "probe_after_seconds": 0.2,
    "report_timeout_seconds": 0.6,
    "applying_timeout_seconds": 0.6,
    "max_timeouts": 2,
}


@pytest.fixture
def overrides() -> dict[str, object]:
    """Wait for tenths of seconds instead of minutes."""
    return IMPATIENT


async def has_state(service: Running, uid: bytes, state: str) -> bool:
    """Say whether the agent stands there."""
    return await service.state(uid) == state


async def test_undelivered_offer_is_repeated(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Nobody says it arrived: again, as the same attempt."""
    await service.create("a", "a: 1", {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())

    await eventually(lambda: len(service.gateway.offered_to(agent.uid)) >= 3)

    assert len(await service.attempts(agent.uid)) == 1


async def test_agent_that_was_never_described_is_asked(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Its description was lost on the way: without labels no selector would ever find it."""
    silent, described = FakeAgent(uid_of(1), {}), FakeAgent(uid_of(2), {"env": "prod"})
    await service.say(silent.connected()[0], *described.connected())
    full_state = facts_pb2.OFFER_KIND_REPORT_FULL_STATE

    await eventually(lambda: service.gateway.offered_to(silent.uid, full_state))

    assert service.gateway.offered_to(described.uid, full_state) == []


async def test_silence_is_probed_timed_out_and_given_up(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Asked for its full state, tried once more, then left to a person; a late word still counts."""
    made = await service.create("a", "a: 1", {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: service.gateway.offered_to(agent.uid))
    await service.say(agent.delivered(made.config_hash))
    full_state = facts_pb2.OFFER_KIND_REPORT_FULL_STATE
    await eventually(lambda: service.gateway.offered_to(agent.uid, full_state))

    async def second_attempt() -> bool:
        return [attempt.status for attempt in await service.attempts(agent.uid)] == ["pending", "timed_out"]

    await eventually(second_attempt)
    await service.say(agent.delivered(made.config_hash))
    await eventually(lambda: has_state(service, agent.uid, "timed_out"))

    async def is_given_up() -> bool:
        explained = await service.agent(agent.uid)
        return explained is not None and explained.quarantined

    await eventually(is_given_up)
    await service.say(agent.status("APPLIED", made.config_hash))
    await eventually(lambda: has_state(service, agent.uid, "applied"))


async def test_row_damaged_by_any_means_heals(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Level-triggered: whatever lost the plan for an agent, the comparison finds it."""
    await service.create("a", "a: 1", {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: service.gateway.offered_to(agent.uid))
    await service.pool.execute("UPDATE agent_target SET due_at = NULL")
    seen = len(service.gateway.offered_to(agent.uid))

    await eventually(lambda: len(service.gateway.offered_to(agent.uid)) > seen)


async def test_offer_lost_with_the_bus_is_made_again_after_it(
    service: Running, nats_server: NatsServer, eventually: Callable[..., Awaitable[object]]
) -> None:
    """NATS dies under an unheard offer; once it is back the agent gets it without waiting for the backoff."""
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: has_state(service, agent.uid, "none"))
    service.gateway.unknown.add(agent.uid)
    await service.create("a", "a: 1", {"env": "prod"})
    await eventually(lambda: service.gateway.broadcasts)

    nats_server.kill()
    seen = len(service.gateway.offers)
    service.gateway.unknown.clear()
    nats_server.start()

    await eventually(lambda: len(service.gateway.offers) > seen)


async def test_gauges_come_from_the_database(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Configurations, agents by state and drift by age are what is, not what was counted."""
    await service.create("a", "a: 1", {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())

    def shown() -> bool:
        text = metrics.render().decode()
        return (
            "opamp_platform_configurations_total 1.0" in text
            and 'config_service_agents{state="pending"} 1.0' in text
            and 'config_service_drift_agents{age="under_1m"} 1.0' in text
        )

    await eventually(shown)
