"""Offers on a database and a bus of their own: gateway and agents are played here, files need no bytes."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from contracts import subjects
from fleet.events.v1 import agent_pb2, facts_pb2, offers_pb2
from opamp.v1 import opamp_pb2 as opamp
from package_service import file_store, package_changes
from package_service.offering import target_store
from package_service.offering.assignment import Terms
from package_service.offering.assignments import Assignments
from package_service.offering.consumer import FactConsumer
from package_service.offering.contents import Contents
from package_service.offering.distribution import Distribution
from package_service.offering.matcher import Matcher
from package_service.offering.offers import OfferDesk
from package_service.offering.presence import EventConsumer
from package_service.offering.reconcile import Policy
from package_service.offering.worker import Worker
from package_service.package import draft_of
from world import facts as say
from world.eventually import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from package_service.file_store import File
    from package_service.offering.assignment import Assignment
    from package_service.offering.standing import Standing
    from package_service.offering.target import Target
    from servicekit.bus import Bus, BusMessage
    from servicekit.postgres import Connection

TENANT = say.TENANT
PUBLIC_URL = "https://files.example"
CAPABILITIES = int(
    opamp.AgentCapabilities_ReportsStatus
    | opamp.AgentCapabilities_AcceptsPackages
    | opamp.AgentCapabilities_ReportsPackageStatuses
)
PATIENT = Policy(install_timeout=timedelta(hours=1), report_timeout=timedelta(hours=1), probe_after=timedelta(hours=1))
LINUX = {"os.type": "linux", "host.arch": "x86_64", "env": "prod"}


@dataclass
class Agent:
    """An agent as its gateway tells of it."""

    uid: bytes
    labels: Mapping[str, str] = field(default_factory=lambda: dict(LINUX))
    epoch: int = 1
    capabilities: int = CAPABILITIES
    group: str = ""
    withheld: bool = False
    has: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Package to version and hash."""

    _sequence: Any = field(default_factory=lambda: itertools.count(2))

    def connected(self) -> list[facts_pb2.Fact]:
        """What it says first on a new connection."""
        came = say.connected(self.uid, self.epoch)
        came.connected.capabilities = self.capabilities
        came.connected.withheld = self.withheld
        if self.group:
            came.connected.labels["group"] = self.group
        described = say.described(self.uid, self.epoch, next(self._sequence), {"service.name": "c"}, self.labels)
        described.described.capabilities = self.capabilities
        return [came, described]

    def disconnected(self) -> facts_pb2.Fact:
        """Its connection ended."""
        return say.disconnected(self.uid, self.epoch, next(self._sequence))

    def health(self, error: str = "") -> facts_pb2.Fact:
        """It tells how it fares."""
        return say.health(self.uid, self.epoch, next(self._sequence), error)

    def delivered(self, content_hash: bytes) -> facts_pb2.Fact:
        """An offer reached it."""
        told = facts_pb2.OfferDelivered(kind=facts_pb2.OFFER_KIND_PACKAGES, content_hash=content_hash)
        return say.fact(self.uid, self.epoch, next(self._sequence), offer_delivered=told)

    def tells(
        self, available: opamp.PackagesAvailable, status: str = "Installed", error: str = "", percent: float = 0.0
    ) -> facts_pb2.Fact:
        """It tells where it stands with a list; with Installed it has everything of it."""
        if status == "Installed":
            self.has = {name: (package.version, package.hash) for name, package in available.packages.items()}
        statuses = opamp.PackageStatuses(server_provided_all_packages_hash=available.all_packages_hash)
        for name in available.packages.keys() | self.has.keys():
            version, digest = self.has.get(name, ("", b""))
            offered = available.packages[name] if name in available.packages else opamp.PackageAvailable()
            done = digest == offered.hash
            statuses.packages[name].CopyFrom(
                opamp.PackageStatus(
                    name=name,
                    agent_has_version=version,
                    agent_has_hash=digest,
                    server_offered_version=offered.version,
                    server_offered_hash=offered.hash,
                    status=f"PackageStatusEnum_{'Installed' if done else status}",
                    error_message="" if done else error,
                    download_details=opamp.PackageDownloadDetails(download_percent=percent),
                )
            )
        return self.says(statuses)

    def says(self, statuses: opamp.PackageStatuses) -> facts_pb2.Fact:
        """It tells this of its packages."""
        told = facts_pb2.PackageStatusesReported(statuses=statuses)
        return say.fact(self.uid, self.epoch, next(self._sequence), package_statuses_reported=told)


@dataclass
class Gateway:
    """Takes offers as a gateway does, and remembers them."""

    bus: Bus
    gateway_id: str = say.GATEWAY
    offers: list[offers_pb2.Offer] = field(default_factory=list)
    broadcasts: list[offers_pb2.Offer] = field(default_factory=list)
    unknown: set[bytes] = field(default_factory=set)
    content_missing: int = 0

    async def listen(self) -> Gateway:
        """Begin to hear offers."""
        await self.bus.subscribe(subjects.offer(self.gateway_id), self._on_offer)
        await self.bus.subscribe(subjects.OFFER_ALL, self._on_broadcast)
        await self.bus.nc.flush()
        return self

    def lists_for(self, uid: bytes) -> list[tuple[bytes, opamp.PackagesAvailable]]:
        """Return what was offered to an agent so far: content hash and list."""
        return [
            (offer.content_hash, opamp.PackagesAvailable.FromString(offer.content))
            for offer in (*self.offers, *self.broadcasts)
            if offer.kind == facts_pb2.OFFER_KIND_PACKAGES
            and any(target.instance_uid == uid for target in offer.targets)
        ]

    async def list_for(self, uid: bytes, number: int) -> tuple[bytes, opamp.PackagesAvailable]:
        """Wait for the offer of this number, from 1."""

        async def there() -> bool:
            return len(self.lists_for(uid)) >= number

        await wait_until(there, within=30)
        return self.lists_for(uid)[number - 1]

    async def _on_offer(self, message: BusMessage) -> None:
        offer = offers_pb2.Offer.FromString(message.payload)
        reply = offers_pb2.OfferReply(gateway_id=self.gateway_id)
        if self.content_missing:
            self.content_missing -= 1
            reply.content_missing = True
        else:
            self.offers.append(offer)
            known = [target.instance_uid for target in offer.targets if target.instance_uid not in self.unknown]
            reply.accepted = len(known)
            reply.unknown_uids = b"".join(
                target.instance_uid for target in offer.targets if target.instance_uid in self.unknown
            )
        await self.bus.publish(message.reply_to, reply.SerializeToString())

    async def _on_broadcast(self, message: BusMessage) -> None:
        self.broadcasts.append(offers_pb2.Offer.FromString(message.payload))


def mint(tenant_id: str, file_id: UUID, _: datetime) -> str:
    """Write a ticket anybody can read."""
    return f"pft_{tenant_id}_{file_id}"


async def unsigned(_: Connection, __: str, ___: Sequence[UUID]) -> dict[UUID, bytes]:
    """Know no signatures."""
    return {}


class Ground:
    """
    The parts of offers, moved by hand.

    Args:
        pool: A migrated database.

        bus: Where the gateway listens.

        policy: How patient to be.

        public_url: Where files are.
    """

    def __init__(
        self, pool: asyncpg.Pool, bus: Bus, policy: Policy = PATIENT, public_url: str = PUBLIC_URL, inline: int = 65536
    ) -> None:
        self.pool = pool
        self.bus = bus
        self.contents = Contents(bus, mint)
        self.desk = OfferDesk(bus, self.contents, chunk=100, inline_bytes=inline)
        self.distribution = Distribution(Matcher(unsigned, public_url), policy, self.contents, self.desk)
        self.consumer = FactConsumer(self.distribution)
        self.events = EventConsumer(self.distribution)
        self.worker = Worker(pool, bus, self.distribution, interval_seconds=60)
        self.assignments = Assignments(pool, self.distribution, self.worker.wake)

    async def publish(self, version: str, *, name: str = "collector", vetted: bool = True, **more: str) -> File:
        """Publish a file, vetted unless said otherwise; no bytes of it are anywhere."""
        draft = draft_of(name=name, version=version, **{"platform": "linux", "arch": "amd64", **more})
        async with self.pool.acquire() as connection, connection.transaction():
            await file_store.type_of(connection, TENANT, draft)
            digest = hashlib.sha256(draft.label.encode()).digest()
            file_id = await file_store.add(connection, TENANT, draft, sha256=digest, size=7, author="ann")
            assert file_id is not None
            made = await file_store.one(connection, TENANT, file_id)
            assert made is not None
            await package_changes.note(connection, [(TENANT, name)])
        if vetted:
            await self.vet(made)
        return made

    async def vet(self, file: File, *, vetted: bool = True, damaged: bool = False, active: bool = True) -> None:
        """Find a file good, or not any more."""
        statement = """
            UPDATE package_file SET vetted_at = CASE WHEN $2 THEN now() END, damaged_at = CASE WHEN $3 THEN now() END,
                active = $4 WHERE file_id = $1
        """
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(statement, file.file_id, vetted, damaged, active)
            await package_changes.note(connection, [(TENANT, file.name)])

    async def assign(self, name: str = "all", **terms: Any) -> Assignment:
        """Make an assignment; to every agent in prod unless said otherwise."""
        said = {"package": "collector", "selector": {"env": "prod"}, **terms}
        return await self.assignments.create(TENANT, name, Terms(**said), author="ann")

    async def hear(self, *facts: facts_pb2.Fact) -> None:
        """Take facts in as the consumer does, in one batch, and speak what follows."""
        async with self.pool.acquire() as connection:
            async with connection.transaction():
                after_commit = await self.consumer.apply(connection, [say.batch(*facts)])
        if after_commit is not None:
            await after_commit()
        await self.speak()

    async def learn(self, *events: agent_pb2.AgentEvent) -> None:
        """Take events about agents in as the consumer does, in one batch, and speak what follows."""
        async with self.pool.acquire() as connection:
            async with connection.transaction():
                after_commit = await self.events.apply(connection, events)
        if after_commit is not None:
            await after_commit()
        await self.speak()

    async def look(self) -> None:
        """Look as the worker does, until nobody is due, and speak what follows."""
        await self.worker.look()
        await self.speak()

    async def speak(self) -> None:
        """Say what waits to be said."""
        waiting, self.desk._waiting = list(self.desk._waiting.values()), {}
        await self.desk.speak(waiting)

    async def target(self, uid: bytes) -> Target:
        """Return an agent as it is stored."""
        return (await target_store.load(self.pool, TENANT, [uid]))[uid]

    async def standing(self, uid: bytes, package: str = "collector") -> Standing:
        """Return where an agent stands with a package."""
        return (await self.target(uid)).packages[package]

    async def ledger(self, uid: bytes) -> list[tuple[str, str, int]]:
        """Return version, state and number of every try of an agent, oldest first."""
        rows = await self.pool.fetch(
            "SELECT version, state, attempt FROM package_attempt WHERE instance_uid = $1 ORDER BY attempt_id", uid
        )
        return [tuple(row) for row in rows]
