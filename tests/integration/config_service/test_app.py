from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import subjects
from fleet.api.v1 import config_service_pb2 as api
from opamp.v1 import opamp_pb2
from world.facts import uid_of

from .conftest import FakeAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .conftest import Running


@pytest.fixture
def overrides() -> dict[str, object]:
    """Make no repeats that would blur the count."""
    return {"redo_first_seconds": 30.0}


async def test_a_configuration_reaches_a_matching_agent_and_is_applied(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Created, matched, offered through the agent's gateway, delivered, applied, confirmed: the whole way."""
    made = await service.create("prod", "receivers: {}\n", {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod", "service.name": "collector"})

    await service.say(*agent.connected())
    await eventually(lambda: service.gateway.offered_to(agent.uid) == [made.config_hash])

    (offer,) = service.gateway.offers
    content = opamp_pb2.AgentRemoteConfig.FromString(offer.content)
    assert content.config_hash == made.config_hash
    assert content.config.config_map["config.yaml"].body == b"receivers: {}\n"

    await service.say(agent.delivered(made.config_hash), agent.status("APPLYING", made.config_hash))
    await eventually(lambda: has_state(service, agent.uid, "applying"))
    await service.say(agent.status("APPLIED", made.config_hash), agent.health(), agent.effective("receivers: {}\n"))
    await eventually(lambda: has_state(service, agent.uid, "applied"))

    async def is_confirmed() -> bool:
        (attempt,) = await service.attempts(agent.uid)
        return attempt.status == "applied" and attempt.confirmed and attempt.cause == "connect"

    await eventually(is_confirmed)
    status = await service.bus.call(
        subjects.GET_CONFIGURATION_STATUS, api.GetConfigurationStatusRequest(tenant_id="default", name="prod")
    )
    assert (status.desired, status.connected, dict(status.by_state)) == (1, 1, {"applied": 1})
    assert len(service.gateway.offers) == 1


async def has_state(service: Running, uid: bytes, state: str) -> bool:
    """Say whether the agent stands there."""
    return await service.state(uid) == state
