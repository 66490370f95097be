"""config-service on a database of its own: its parts alone, or the whole service on a real bus with a fake gateway."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from config_service.app import SERVICE, build
from config_service.settings import ConfigServiceSettings
from contracts import streams, subjects
from fleet.api.v1 import config_service_pb2 as api
from fleet.events.v1 import facts_pb2, offers_pb2
from opamp.v1 import opamp_pb2
from servicekit import migrate, postgres, runner
from servicekit.bus import Bus
from servicekit.errors import Unavailable
from world import facts as say
from world.eventually import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import asyncpg

    from servicekit.bus import BusMessage
    from world.postgres import Database

TENANT = "default"

FAST: dict[str, object] = {
    "sweep_interval_seconds": 0.05,
    "level_interval_seconds": 1.0,
    "redo_first_seconds": 0.5,
    "connect_grace_seconds": 0.2,
    "soak_seconds": 0.1,
}


def status_fact(
    uid: bytes, epoch: int, sequence: int, status: str, *, config_hash: bytes, error: str = ""
) -> facts_pb2.Fact:
    """An agent told what became of a content."""
    said = opamp_pb2.RemoteConfigStatus(
        last_remote_config_hash=config_hash, status=f"RemoteConfigStatuses_{status}", error_message=error
    )
    reported = facts_pb2.RemoteConfigStatusReported(status=said)
    return say.fact(uid, epoch, sequence, remote_config_status_reported=reported)


def delivered_fact(uid: bytes, epoch: int, sequence: int, config_hash: bytes) -> facts_pb2.Fact:
    """An offer left the gateway for the agent."""
    delivered = facts_pb2.OfferDelivered(kind=facts_pb2.OFFER_KIND_REMOTE_CONFIG, content_hash=config_hash)
    return say.fact(uid, epoch, sequence, offer_delivered=delivered)


@dataclass
class FakeAgent:
    """An agent as its gateway tells of it."""

    uid: bytes
    labels: Mapping[str, str]
    epoch: int = 1
    capabilities: int = 0x1007
    _sequence: Any = field(default_factory=lambda: itertools.count(2))

    def connected(self, gateway: str = say.GATEWAY) -> list[facts_pb2.Fact]:
        """What it says first on a new connection."""
        came = say.connected(self.uid, self.epoch, gateway=gateway)
        came.connected.capabilities = self.capabilities
        described = say.described(self.uid, self.epoch, next(self._sequence), self.labels, {})
        described.described.capabilities = self.capabilities
        return [came, described]

    def delivered(self, config_hash: bytes) -> facts_pb2.Fact:
        """An offer reached it."""
        return delivered_fact(self.uid, self.epoch, next(self._sequence), config_hash)

    def status(self, status: str, config_hash: bytes, error: str = "") -> facts_pb2.Fact:
        """It tells what became of a content."""
        return status_fact(self.uid, self.epoch, next(self._sequence), status, config_hash=config_hash, error=error)

    def health(self, error: str = "") -> facts_pb2.Fact:
        """It tells how it fares."""
        return say.health(self.uid, self.epoch, next(self._sequence), error)

    def effective(self, body: str) -> facts_pb2.Fact:
        """It tells what it runs."""
        return say.effective_config(self.uid, self.epoch, next(self._sequence), body.encode())

    def disconnected(self) -> facts_pb2.Fact:
        """Its connection ended."""
        return say.disconnected(self.uid, self.epoch, next(self._sequence))


@dataclass
class FakeGateway:
    """Takes offers as a gateway does and remembers them; `content_missing` answers once what it cannot find."""

    bus: Bus
    gateway_id: str = say.GATEWAY
    offers: list[offers_pb2.Offer] = field(default_factory=list)
    broadcasts: list[offers_pb2.Offer] = field(default_factory=list)
    heard: list[offers_pb2.Offer] = field(default_factory=list)
    unknown: set[bytes] = field(default_factory=set)
    content_missing: int = 0

    async def listen(self) -> FakeGateway:
        """Begin to hear offers."""
        await self.bus.subscribe(subjects.offer(self.gateway_id), self._on_offer)
        await self.bus.subscribe(subjects.OFFER_ALL, self._on_broadcast)
        await self.bus.nc.flush()
        return self

    def offered_to(self, uid: bytes, kind: int = facts_pb2.OFFER_KIND_REMOTE_CONFIG) -> list[bytes]:
        """Content hashes offered to an agent so far."""
        return [
            offer.content_hash
            for offer in self.heard
            if offer.kind == kind and any(target.instance_uid == uid for target in offer.targets)
        ]

    async def _on_offer(self, message: BusMessage) -> None:
        offer = offers_pb2.Offer.FromString(message.payload)
        reply = offers_pb2.OfferReply(gateway_id=self.gateway_id)
        if self.content_missing:
            self.content_missing -= 1
            reply.content_missing = True
        else:
            self.offers.append(offer)
            self.heard.append(offer)
            known = [target.instance_uid for target in offer.targets if target.instance_uid not in self.unknown]
            reply.accepted = len(known)
            reply.unknown_uids = b"".join(
                target.instance_uid for target in offer.targets if target.instance_uid in self.unknown
            )
        await self.bus.publish(message.reply_to, reply.SerializeToString())

    async def _on_broadcast(self, message: BusMessage) -> None:
        offer = offers_pb2.Offer.FromString(message.payload)
        self.broadcasts.append(offer)
        self.heard.append(offer)


@dataclass
class Running:
    """The service, a bus to talk to it, and a gateway it talks to."""

    bus: Bus
    gateway: FakeGateway
    settings: ConfigServiceSettings
    pool: asyncpg.Pool

    async def say(self, *said: facts_pb2.Fact, gateway: str = say.GATEWAY) -> None:
        """Publish facts as a gateway does: grouped by partition, acknowledged by the stream."""
        groups: dict[int, list[facts_pb2.Fact]] = {}
        for one in said:
            groups.setdefault(subjects.partition_of(one.instance_uid), []).append(one)
        for partition, members in groups.items():
            for start in range(0, len(members), 256):
                payload = say.batch(*members[start : start + 256], gateway=gateway).SerializeToString()
                await self.bus.js.publish(subjects.facts(partition), payload, timeout=30, stream=streams.FACTS.name)

    async def create(
        self, name: str, raw_config: str, selector: Mapping[str, str] | None = None, *, priority: int = 0, **more: Any
    ) -> api.Configuration:
        """Make a configuration."""
        draft = api.ConfigurationDraft(
            raw_config=raw_config, selector=api.Selector(match_labels=selector or {}), priority=priority
        )
        request = api.CreateConfigurationRequest(tenant_id=TENANT, name=name, draft=draft, author="ann", **more)
        reply = await self.bus.call(subjects.CREATE_CONFIGURATION, request, timeout_seconds=PATIENCE_SECONDS)
        return reply.configuration

    async def update(self, name: str, *, expected_version: int = 0, **fields: Any) -> api.UpdateConfigurationReply:
        """Edit a configuration."""
        request = api.UpdateConfigurationRequest(
            tenant_id=TENANT,
            name=name,
            draft=api.ConfigurationDraft(**fields),
            expected_version=expected_version,
            author="bob",
            comment="because",
        )
        return await self.bus.call(subjects.UPDATE_CONFIGURATION, request, timeout_seconds=PATIENCE_SECONDS)

    async def agent(self, uid: bytes) -> api.AgentConfiguration | None:
        """Ask where an agent stands."""
        request = api.GetAgentConfigurationsRequest(tenant_id=TENANT, instance_uids=[uid])
        agents = (
            await self.bus.call(subjects.GET_AGENT_CONFIGURATIONS, request, timeout_seconds=PATIENCE_SECONDS)
        ).agents
        return agents[0] if agents else None

    async def state(self, uid: bytes) -> str:
        """Ask where an agent stands, in one word."""
        agent = await self.agent(uid)
        return agent.state if agent else "unknown"

    async def attempts(self, uid: bytes = b"", name: str = "") -> Sequence[api.Attempt]:
        """List attempts, newest first."""
        request = api.ListAttemptsRequest(tenant_id=TENANT, instance_uid=uid, name=name)
        return (await self.bus.call(subjects.LIST_ATTEMPTS, request, timeout_seconds=PATIENCE_SECONDS)).attempts

    async def push(self, name: str, *uids: bytes) -> api.PushConfigurationReply:
        """Push a configuration."""
        request = api.PushConfigurationRequest(tenant_id=TENANT, name=name, instance_uids=uids, author="eve")
        return await self.bus.call(subjects.PUSH_CONFIGURATION, request, timeout_seconds=PATIENCE_SECONDS)


@pytest.fixture
def overrides() -> dict[str, object]:
    """Give settings a test file may change by its own fixture of this name."""
    return {}


@pytest.fixture
async def pool(postgres: Database) -> AsyncIterator[asyncpg.Pool]:
    """Give a pool on a migrated, empty schema."""
    url = postgres.url_for(SERVICE)
    await migrate.migrate(url, "config_service")
    made = await postgres_pool(url)
    yield made
    await made.close()


async def postgres_pool(url: str) -> asyncpg.Pool:
    """Open a pool as the service does."""
    return await postgres.connect_pool(url, service="test", max_size=8)


@pytest.fixture
async def service(
    postgres: Database, pool: asyncpg.Pool, nats_url: str, redis_url: str, overrides: dict[str, object]
) -> AsyncIterator[Running]:
    """Run config-service whole."""
    settings = ConfigServiceSettings.model_validate(
        {"postgres_url": postgres.url_for(SERVICE), "nats_url": nats_url, "redis_url": redis_url, **FAST, **overrides}
    )
    stop = asyncio.Event()
    bus = await Bus.connect(nats_url, name="test")
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.serve(SERVICE, settings, build, stop))
        try:
            await until_served(bus)
            yield Running(bus, await FakeGateway(bus).listen(), settings, pool)
        finally:
            stop.set()
    await bus.close()


async def until_served(bus: Bus) -> None:
    """Wait until the service answers."""
    async with asyncio.timeout(60):
        while True:
            try:
                await bus.call(subjects.LIST_CONFIGURATIONS, api.ListConfigurationsRequest(tenant_id=TENANT))
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return
