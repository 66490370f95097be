"""Connection settings while the surroundings fail: what nobody heard is said again within a minute."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import pytest
from nats.errors import Error as NatsError

from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as agents
from opamp.v1 import opamp_pb2 as opamp
from servicekit.errors import ServiceError

from .test_settings_desk import REPORTER, Gateway, arrives, delivered, put, reports, standing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from devstack.nats import NatsServer

    from .conftest import Running

WITHIN_SECONDS = 60
"""The certainty that is promised."""

pytestmark = pytest.mark.timeout(180)


async def is_known(service: Running) -> bool:
    """Say whether the agent is there."""
    reply = await service.bus.call(subjects.LIST_AGENTS, agents.ListAgentsRequest(tenant_id="default"))
    return bool(reply.agents)


async def test_offer_that_nobody_heard_is_repeated(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """The gateway comes back after the first offer was lost; the agent still gets what it should have."""
    await service.say(arrives(5, REPORTER))
    await eventually(lambda: is_known(service))
    await put(service)

    async def is_offered() -> bool:
        return (await standing(service)).state == "offered"

    await eventually(is_offered)
    gateway = await Gateway(service).open()

    await eventually(lambda: len(gateway.settings()) >= 1, within=WITHIN_SECONDS)


async def test_policy_written_while_the_bus_goes_away_is_offered_when_it_is_back(
    service: Running, nats_server: NatsServer, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Nothing is asked of anybody: the rows say who is due, and the agent's word comes through as before."""
    gateway = await Gateway(service).open()
    await service.say(arrives(5, REPORTER))
    await eventually(lambda: is_known(service))
    wanted = opamp.ConnectionSettingsOffers()
    wanted.own_metrics.destination_endpoint = "https://otlp/v1/metrics"
    nats_server.kill()
    connection = await asyncpg.connect(service.url)
    try:
        await connection.execute(
            "INSERT INTO connection_settings_policy (tenant_id, name, selector, priority, settings, version, author) "
            "VALUES ('default', 'p', '{}', 0, $1, 1, 'eve')",
            wanted.SerializeToString(),
        )
        await connection.execute("INSERT INTO connection_settings_generation VALUES ('default', 1)")
    finally:
        await connection.close()
    nats_server.start()

    await eventually(lambda: len(gateway.settings()) >= 1, within=WITHIN_SECONDS)
    offered = gateway.settings()[-1]
    assert offered.own_metrics.destination_endpoint == "https://otlp/v1/metrics"

    async def is_told() -> bool:
        with contextlib.suppress(ServiceError, NatsError, TimeoutError):
            await asyncio.wait_for(
                service.say(delivered(5, 2, offered.hash), reports(5, 3, offered.hash, "APPLIED")), timeout=5
            )
            return True
        return False

    await eventually(is_told)

    async def is_applied() -> bool:
        with contextlib.suppress(ServiceError):
            return (await standing(service)).state == "applied"
        return False

    await eventually(is_applied, within=WITHIN_SECONDS)
