"""Puts agent-state together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_state.access_sweeper import AccessSweeper
from agent_state.agent_query import AgentQuery
from agent_state.agent_store import AgentStore
from agent_state.announcer import Announcer
from agent_state.component_desk import ComponentDesk
from agent_state.component_store import ComponentStore
from agent_state.connection_store import ConnectionStore
from agent_state.consumer import FactsConsumer
from agent_state.deletion import Deletion
from agent_state.effective_config_store import EffectiveConfigStore
from agent_state.epochs import Epochs
from agent_state.figures import Figures
from agent_state.identity_parts import identity_of, registry_of
from agent_state.identity_routes import IdentityRoutes
from agent_state.liveness import Fuse, Rules, Steadiness
from agent_state.offers import FullStateAsker, Offers
from agent_state.presence import PresenceListener
from agent_state.presence_store import PresenceStore
from agent_state.report_store import ReportStore
from agent_state.retention import Retention
from agent_state.routes import Routes
from agent_state.settings_parts import connection_settings_of
from agent_state.sweeper import Sweeper
from agent_state.telling import Telling
from agent_state.token_routes import TokenRoutes
from agent_state.token_store import TokenStore
from contracts import streams, subjects
from fleet.events.v1 import facts_pb2 as facts
from servicekit import postgres
from servicekit.bus import Bus
from servicekit.consume import PartitionConsumer
from servicekit.leader import Leader
from servicekit.outbox import OutboxRelay

if TYPE_CHECKING:
    from agent_state.settings import Settings
    from servicekit.runner import Room

SERVICE = "agent-state"


async def build(room: Room, settings: Settings) -> None:  # noqa: PLR0915 - a list of parts
    """Connect, wire, start."""
    url = settings.postgres_url.get_secret_value()
    pool = await postgres.connect_pool(url, service=SERVICE, max_size=settings.postgres_connections)
    room.stack.push_async_callback(postgres.close_pool, pool)
    answering = await postgres.connect_pool(url, service=SERVICE, max_size=settings.postgres_answer_connections)
    room.stack.push_async_callback(postgres.close_pool, answering)
    room.health.register("postgres", lambda: postgres.ping(pool), critical=True)
    bus = await Bus.connect(settings.nats_url.get_secret_value(), name=SERVICE)
    room.stack.push_async_callback(bus.close)
    room.health.register("nats", bus.ping, critical=True)
    for stream in streams.STREAMS:
        await bus.ensure_stream(stream, settings.stream_replicas)

    epochs = Epochs(answering)
    await epochs.start()
    agents = AgentStore()
    connections = ConnectionStore()
    reports = ReportStore(settings.max_report_bytes)
    effective_configs = EffectiveConfigStore(settings.max_report_bytes)
    offers = Offers(bus)
    announcer = Announcer(bus)
    registry = registry_of(settings)
    given = connection_settings_of(
        settings,
        bus,
        room.clock,
        pool=pool,
        answering=answering,
        opamp_part=registry.offers.opamp_part,
        announce=announcer.rules_changed,
    )
    components = ComponentStore(settings.max_report_bytes)
    component_desk = ComponentDesk(pool, components, offers, room.clock)
    consumer = FactsConsumer(
        agents,
        connections,
        reports,
        effective_configs,
        epochs,
        components=components,
        ask=component_desk.hint,
        standings=given.standings,
        hint=given.desk.hint,
        credentials=registry.credentials,
        withdrawn=lambda ended: announcer.withdrawn(ended, close=False),
    )
    facts_in = PartitionConsumer(
        bus,
        pool,
        stream=streams.FACTS,
        durable=SERVICE,
        subject_of=subjects.facts,
        partitions=subjects.DEFAULT_PARTITIONS,
        payload_type=facts.FactBatch,
        apply=consumer.apply,
    )
    steadiness = Steadiness()
    presence_store = PresenceStore(pool)
    presence = PresenceListener(
        pool,
        presence_store,
        connections,
        offers=offers,
        adopt=lambda heard: consumer.adopt(pool, heard),
        epochs=epochs,
        steadiness=steadiness,
        clock=room.clock,
        lease_seconds=settings.gateway_lease_seconds,
        flush_seconds=settings.presence_flush_seconds,
        adopt_seconds=settings.adopt_seconds,
    )
    sweeper = Sweeper(
        pool,
        bus,
        store=presence_store,
        connections=connections,
        steadiness=steadiness,
        clock=room.clock,
        rules=Rules(settings.gateway_lease_seconds, settings.presence_beat_seconds, settings.silence_seconds),
        fuse=Fuse(settings.fuse_fraction, settings.silence_seconds),
        check_seconds=settings.lease_check_seconds,
        sweep_seconds=settings.sweep_seconds,
    )
    retention = Retention(pool, effective_configs, connection_days=settings.connection_retention_days)
    figures = Figures(
        pool,
        room.clock,
        refresh_seconds=settings.metrics_refresh_seconds,
        silence_seconds=settings.silence_seconds,
    )

    identity = identity_of(answering, registry, given.composer, announcer, settings, settings_due=given.due)
    query = AgentQuery(answering)
    deletion = Deletion(answering, agents, offers)
    routes = Routes(query, epochs, deletion)
    token_routes = TokenRoutes(TokenStore(answering), announcer, can_issue=registry.offers.can_issue)
    identity_routes = IdentityRoutes(query, identity.admission, identity.certification, identity.access)
    telling = Telling(answering, bus)
    answers = (routes, token_routes, identity_routes, given.routes, telling)
    handlers = {method: handler for part in answers for method, handler in part.handlers().items()}
    await bus.serve(SERVICE, room.version, handlers)
    await presence.listen(bus)
    await sweeper.listen()
    _ = room.spawn(presence.run(), "presence")
    _ = room.spawn(facts_in.run(), "facts")
    _ = room.spawn(figures.run(), "figures")
    _ = room.spawn(Leader(url, "sweeper").run(sweeper.run), "sweeper")
    _ = room.spawn(Leader(url, "upkeep").run(lambda: retention.run(room.clock)), "upkeep")
    access_sweeper = AccessSweeper(
        pool,
        identities=registry.identities,
        access=identity.access,
        deletion=deletion,
        offers=offers,
        clock=room.clock,
        sweep_seconds=settings.access_sweep_seconds,
        upkeep_seconds=settings.identity_upkeep_seconds,
    )
    _ = room.spawn(Leader(url, "access").run(access_sweeper.run), "access")
    _ = room.spawn(component_desk.run(), "components")
    _ = room.spawn(Leader(url, "components").run(component_desk.sweep), "components sweep")
    _ = room.spawn(given.desk.run(), "connection settings")
    _ = room.spawn(Leader(url, "connection settings").run(given.desk.sweep), "connection settings sweep")
    relay = OutboxRelay(pool, bus, streams.EVENTS)
    _ = room.spawn(Leader(url, "outbox").run(relay.run), "outbox")
    asker = FullStateAsker(pool, offers, room.clock)
    _ = room.spawn(Leader(url, "offers").run(asker.run), "offers")
