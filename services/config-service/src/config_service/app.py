"""Puts config-service together; reads like a table of contents."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from typing import TYPE_CHECKING

from config_service.configurations import Configurations
from config_service.consumer import FactConsumer, forget_deleted
from config_service.contents import Contents
from config_service.distribution import Distribution
from config_service.matcher import Matcher
from config_service.offers import OfferDesk
from config_service.people import People
from config_service.reconcile import Policy
from config_service.registry import RegistryDesk
from config_service.rpc import Questions
from config_service.sweeper import Sweeper
from contracts import streams, subjects
from fleet.events.v1 import agent_pb2, facts_pb2
from servicekit.bus import Bus
from servicekit.cache import connect_redis
from servicekit.consume import PartitionConsumer
from servicekit.leader import Leader
from servicekit.outbox import OutboxRelay
from servicekit.postgres import close_pool, connect_pool, ping

if TYPE_CHECKING:
    from config_service.settings import ConfigServiceSettings
    from servicekit.runner import Room

SERVICE = "config-service"

_GC_THRESHOLDS = (20_000, 20, 100)
"""A change for thousands of agents makes many values that live for a moment and no cycles: seldom is enough."""


def policy_of(settings: ConfigServiceSettings) -> Policy:
    """Tell how patient the reconciliation is."""
    return Policy(
        connect_grace=timedelta(seconds=settings.connect_grace_seconds),
        redo_first=timedelta(seconds=settings.redo_first_seconds),
        redo_most=timedelta(seconds=settings.redo_most_seconds),
        probe_after=timedelta(seconds=settings.probe_after_seconds),
        report_timeout=timedelta(seconds=settings.report_timeout_seconds),
        applying_timeout=timedelta(seconds=settings.applying_timeout_seconds),
        soak=timedelta(seconds=settings.soak_seconds),
        max_timeouts=settings.max_timeouts,
    )


async def build(room: Room, settings: ConfigServiceSettings) -> None:
    """Connect, wire up, begin."""
    postgres_url = settings.postgres_url.get_secret_value()
    pool = await connect_pool(postgres_url, service=SERVICE, max_size=settings.pool_size)
    room.stack.push_async_callback(close_pool, pool)
    bus = await Bus.connect(settings.nats_url.get_secret_value(), name=SERVICE)
    room.stack.push_async_callback(bus.close)
    for stream in streams.STREAMS:
        await bus.ensure_stream(stream, settings.stream_replicas)
    # Looking makes the bucket: early, because JetStream may lose what is crashed on in its first seconds.
    await bus.get_object(subjects.CONTENT_BUCKET, "")
    redis = connect_redis(settings.redis_url.get_secret_value())
    room.stack.push_async_callback(redis.aclose)

    room.health.register("postgres", lambda: ping(pool), critical=True)
    room.health.register("nats", bus.ping, critical=True)
    room.health.register("redis", lambda: _ping(redis), critical=False)

    contents = Contents(pool, bus)
    offers = OfferDesk(bus, contents, chunk=settings.offer_chunk, inline_bytes=settings.inline_content_bytes)
    registry = RegistryDesk(redis, pool, contents, room.clock, offers.give_way)
    distribution = Distribution(Matcher(settings.fallback), policy_of(settings), offers, registry)
    questions = Questions(pool, Configurations(pool, distribution), People(pool, distribution))
    sweeper = Sweeper(
        pool,
        bus,
        distribution,
        room.clock,
        interval_seconds=settings.sweep_interval_seconds,
        level_interval_seconds=settings.level_interval_seconds,
        retention_days=settings.attempt_retention_days,
    )
    facts = PartitionConsumer(
        bus,
        pool,
        stream=streams.FACTS,
        durable=SERVICE,
        subject_of=subjects.facts,
        partitions=subjects.DEFAULT_PARTITIONS,
        payload_type=facts_pb2.FactBatch,
        apply=FactConsumer(distribution, contents, offers.give_way).apply,
    )
    deletions = PartitionConsumer(
        bus,
        pool,
        stream=streams.EVENTS,
        durable=f"{SERVICE}-deletions",
        subject_of=lambda _: subjects.agent_events("deleted"),
        partitions=1,
        payload_type=agent_pb2.AgentEvent,
        apply=forget_deleted,
    )

    _ = room.spawn(offers.run(), "offers")
    _ = room.spawn(registry.run(), "registry")
    _ = room.spawn(facts.run(), "facts")
    _ = room.spawn(deletions.run(), "deletions")
    _ = room.spawn(Leader(postgres_url, "outbox").run(OutboxRelay(pool, bus, streams.EVENTS).run), "outbox")
    _ = room.spawn(Leader(postgres_url, "sweeper").run(sweeper.run), "sweeper")
    _ = room.spawn(Leader(postgres_url, "registry").run(registry.keep_filled), "registry filler")
    await bus.serve(SERVICE, room.version, questions.handlers())
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


async def _ping(redis: object) -> None:
    async with asyncio.timeout(2):
        await redis.ping()  # type: ignore[attr-defined] # its stubs say it may not be awaited
