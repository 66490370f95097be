from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import subjects
from fleet.api.v1 import connection_settings_pb2 as api
from fleet.events.v1 import facts_pb2 as facts
from fleet.events.v1.offers_pb2 import Offer, OfferReply
from opamp.v1 import opamp_pb2 as opamp
from world.facts import connected, fact, uid_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from servicekit.bus import BusMessage

    from .conftest import Running

UID = uid_of(1)
REPORTER = (
    opamp.AgentCapabilities_ReportsStatus
    | opamp.AgentCapabilities_ReportsOwnMetrics
    | opamp.AgentCapabilities_ReportsConnectionSettingsStatus
)


class Gateway:
    """Takes offers as a gateway does, and delivers nothing by itself."""

    def __init__(self, service: Running) -> None:
        self._service = service
        self.heard: list[Offer] = []

    async def open(self) -> Gateway:
        """Begin to listen."""
        await self._service.bus.subscribe(subjects.offer("gw-1"), self._take)
        return self

    def settings(self) -> list[opamp.ConnectionSettingsOffers]:
        """Read the settings offered so far."""
        return [
            opamp.ConnectionSettingsOffers.FromString(offer.content)
            for offer in self.heard
            if offer.kind == facts.OFFER_KIND_CONNECTION_SETTINGS
        ]

    async def _take(self, message: BusMessage) -> None:
        self.heard.append(Offer.FromString(message.payload))
        reply = OfferReply(gateway_id="gw-1", accepted=len(self.heard[-1].targets))
        await self._service.bus.publish(message.reply_to, reply.SerializeToString())


@pytest.fixture
async def gateway(service: Running) -> Gateway:
    """Give gateway gw-1."""
    return await Gateway(service).open()


def arrives(epoch: int, capabilities: int, sequence: int = 1) -> facts.Fact:
    """An agent comes and says what it can."""
    said = connected(UID, epoch, sequence)
    said.connected.capabilities = capabilities
    return said


def reports(epoch: int, sequence: int, settings_hash: bytes, status: str, error: str = "") -> facts.Fact:
    """An agent tells what became of its settings."""
    said = opamp.ConnectionSettingsStatus(
        last_connection_settings_hash=settings_hash,
        status=f"ConnectionSettingsStatuses_{status}",
        error_message=error,
    )
    reported = facts.ConnectionSettingsStatusReported(status=said)
    return fact(UID, epoch, sequence, connection_settings_status_reported=reported)


def delivered(epoch: int, sequence: int, settings_hash: bytes) -> facts.Fact:
    """A gateway delivered settings."""
    told = facts.OfferDelivered(kind=facts.OFFER_KIND_CONNECTION_SETTINGS, content_hash=settings_hash)
    return fact(UID, epoch, sequence, offer_delivered=told)


async def put(service: Running, name: str = "telemetry", url: str = "https://otlp.example.org/v1/metrics") -> None:
    """Write a policy for everybody's own metrics."""
    settings = opamp.ConnectionSettingsOffers()
    settings.own_metrics.destination_endpoint = url
    policy = api.ConnectionSettingsPolicy(tenant_id="default", name=name, settings=settings)
    await service.bus.call(
        subjects.PUT_CONNECTION_SETTINGS_POLICY, api.PutConnectionSettingsPolicyRequest(policy=policy)
    )


async def standing(service: Running) -> api.GetAgentConnectionSettingsReply:
    """Ask where the agent stands."""
    return await service.bus.call(
        subjects.GET_AGENT_CONNECTION_SETTINGS,
        api.GetAgentConnectionSettingsRequest(tenant_id="default", instance_uid=UID),
    )


async def test_policy_is_offered_and_its_status_comes_back(
    service: Running, gateway: Gateway, eventually: Callable[..., Awaitable[object]]
) -> None:
    """What a policy says reaches the agent that is there, and what the agent says of it is shown."""
    await service.say(arrives(5, REPORTER))
    await put(service)

    await eventually(lambda: len(gateway.settings()) == 1, within=20)
    (offered,) = gateway.settings()
    assert offered.own_metrics.destination_endpoint == "https://otlp.example.org/v1/metrics"
    assert not offered.HasField("opamp")
    await service.say(delivered(5, 2, offered.hash), reports(5, 3, offered.hash, "APPLIED"))

    async def is_applied() -> bool:
        shown = await standing(service)
        return shown.state == "applied" and shown.reported_hash == offered.hash == shown.desired_hash

    await eventually(is_applied, within=20)
    assert len(gateway.settings()) == 1
