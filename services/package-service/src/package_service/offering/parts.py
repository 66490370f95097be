"""Puts offers together: what runs, and what is answered."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from contracts import streams, subjects
from fleet.events.v1 import agent_pb2, facts_pb2
from package_service.offering.assignments import Assignments, nobody_minds
from package_service.offering.consumer import FactConsumer
from package_service.offering.contents import Contents
from package_service.offering.distribution import Distribution
from package_service.offering.level import Leveller
from package_service.offering.matcher import Matcher
from package_service.offering.offers import OfferDesk
from package_service.offering.presence import EventConsumer
from package_service.offering.reconcile import Policy
from package_service.offering.rpc import OfferQuestions
from package_service.offering.worker import Worker
from servicekit.consume import PartitionConsumer
from servicekit.errors import Unavailable
from servicekit.leader import Leader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import asyncpg
    from google.protobuf.message import Message

    from package_service.offering.assignments import Guard
    from package_service.offering.contents import Mint
    from package_service.offering.index_store import Signatures
    from package_service.settings import PackageServiceSettings
    from servicekit.bus import Bus
    from servicekit.runner import Room

log = structlog.get_logger()

DURABLE = "package-service"


def policy_of(settings: PackageServiceSettings) -> Policy:
    """Tell how patient offers are."""
    return Policy(
        redo_first=timedelta(seconds=settings.redo_first_seconds),
        redo_most=timedelta(seconds=settings.redo_most_seconds),
        probe_after=timedelta(seconds=settings.probe_after_seconds),
        report_timeout=timedelta(seconds=settings.report_timeout_seconds),
        install_timeout=timedelta(seconds=settings.install_timeout_seconds),
        max_timeouts=settings.max_timeouts,
    )


class Offering:
    """
    Everything about offers.

    Args:
        pool: The service's pool.

        bus: Where agents are told of, and gateways are spoken to.

        settings: How patient to be, and how much goes at once.

        public_url: Where agents fetch files; empty = nothing can be offered, and the health report says so.

        mint: Writes tickets.

        signatures: Gives the signatures files are offered with.

        guard: Refuses that an assignment is changed or removed now.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        bus: Bus,
        settings: PackageServiceSettings,
        *,
        public_url: str,
        mint: Mint,
        signatures: Signatures,
        guard: Guard = nobody_minds,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._settings = settings
        self._public_url = public_url
        contents = Contents(bus, mint)
        self._desk = OfferDesk(bus, contents, chunk=settings.offer_chunk, inline_bytes=settings.inline_content_bytes)
        self._distribution = Distribution(Matcher(signatures, public_url), policy_of(settings), contents, self._desk)
        self.worker = Worker(pool, bus, self._distribution, interval_seconds=settings.offer_interval_seconds)
        assignments = Assignments(pool, self._distribution, self.worker.wake, guard=guard)
        self._questions = OfferQuestions(pool, assignments)

    def handlers(self) -> Mapping[Any, Callable[[Any], Awaitable[Message]]]:
        """Return every question about offers and what answers it."""
        return self._questions.handlers()

    def start(self, room: Room) -> None:
        """Begin to hear, decide and speak."""
        if not self._public_url:
            log.error("packages_not_offered", reason="PACKAGE_SERVICE_PUBLIC_URL is not set")
        room.health.register("offers", self.ping, critical=False)
        facts = PartitionConsumer(
            self._bus,
            self._pool,
            stream=streams.FACTS,
            durable=DURABLE,
            subject_of=subjects.facts,
            partitions=subjects.DEFAULT_PARTITIONS,
            payload_type=facts_pb2.FactBatch,
            apply=FactConsumer(self._distribution).apply,
        )
        # All kinds through one consumer: what is said of one agent stays in its order.
        events = PartitionConsumer(
            self._bus,
            self._pool,
            stream=streams.EVENTS,
            durable=f"{DURABLE}-events",
            subject_of=lambda _: subjects.agent_events("*"),
            partitions=1,
            payload_type=agent_pb2.AgentEvent,
            apply=EventConsumer(self._distribution).apply,
        )
        level = Leveller(
            self._pool,
            self._bus,
            self._distribution,
            self._desk,
            room.clock,
            interval_seconds=self._settings.level_interval_seconds,
            retention_days=self._settings.attempt_retention_days,
        )
        _ = room.spawn(self._desk.run(), "offers")
        _ = room.spawn(facts.run(), "facts")
        _ = room.spawn(events.run(), "agent events")
        _ = room.spawn(self.worker.run(), "offer worker")
        _ = room.spawn(Leader(self._settings.postgres_url.get_secret_value(), "level").run(level.run), "level")

    async def ping(self) -> None:
        """Say whether packages can be offered; raises Unavailable when not."""
        if not self._public_url:
            raise Unavailable("PACKAGE_SERVICE_PUBLIC_URL is not set: nothing is offered to agents")
