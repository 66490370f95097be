"""Puts package-service together; reads like a table of contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from contracts import streams, subjects
from fleet.api.v1 import identity_pb2 as identity
from fleet.api.v1 import package_service_pb2 as api
from package_service.agent_access import AgentAccess
from package_service.bounds import Bounds, Lane
from package_service.campaigns.assignments import AssignmentOffers
from package_service.campaigns.campaigns import Campaigns
from package_service.campaigns.guard import refuse_while_moved
from package_service.campaigns.rpc import CampaignQuestions
from package_service.campaigns.runner import Runner
from package_service.catalogue import Catalogue
from package_service.downloads import Downloads
from package_service.file_tickets import FileTickets
from package_service.listener import Listener
from package_service.offering.address import public_url_of
from package_service.offering.parts import Offering
from package_service.platform_key import platform_key_of
from package_service.rpc import Questions
from package_service.s3 import S3BlobStore
from package_service.signing.manifests import Manifests
from package_service.signing.rpc import SigningQuestions
from package_service.signing.signatures import Signatures
from package_service.signing.store import chosen
from package_service.sweeper import Sweeper
from package_service.ticket_keys import TicketKeys
from package_service.tickets import Tickets
from package_service.uploads import Uploads
from package_service.vetting.rounds import Vetting
from servicekit.bus import Bus
from servicekit.leader import Leader
from servicekit.outbox import OutboxRelay
from servicekit.postgres import close_pool, connect_pool, ping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from package_service.settings import PackageServiceSettings
    from servicekit.bus import BusMessage
    from servicekit.runner import Room

log = structlog.get_logger()

SERVICE = "package-service"
ASK_SECONDS = 5.0
KEEPALIVE_SECONDS = 35
DRAIN_SECONDS = 60


async def build(room: Room, settings: PackageServiceSettings) -> None:
    """Connect, wire up, listen."""
    postgres_url = settings.postgres_url.get_secret_value()
    pool = await connect_pool(postgres_url, service=SERVICE, max_size=settings.pool_size)
    room.stack.push_async_callback(close_pool, pool)
    bus = await Bus.connect(settings.nats_url.get_secret_value(), name=SERVICE)
    room.stack.push_async_callback(bus.close)
    for stream in streams.STREAMS:
        await bus.ensure_stream(stream, settings.stream_replicas)
    # Looking makes the bucket: early, because JetStream may lose what is crashed on in its first seconds.
    await bus.get_object(subjects.CONTENT_BUCKET, "")
    store = await room.stack.enter_async_context(
        S3BlobStore(
            endpoint=settings.s3_endpoint,
            public_endpoint=settings.s3_public_endpoint,
            region=settings.s3_region,
            bucket=settings.s3_bucket,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            connections=settings.max_uploads_at_once + settings.max_downloads_at_once,
        )
    )
    room.health.register("postgres", lambda: ping(pool), critical=True)
    room.health.register("nats", bus.ping, critical=True)
    # Not critical: without it lists and names still work, and every request for bytes says itself that it is away.
    room.health.register("object_store", store.ping, critical=False)

    bounds = Bounds(
        file_bytes=settings.max_file_bytes,
        tenant_bytes=settings.tenant_quota_bytes,
        open_uploads=settings.max_open_uploads,
        files_per_package=settings.max_files_per_package,
    )
    platform_key = platform_key_of(settings.signing_key.get_secret_value())
    signatures = Signatures(
        pool, platform_key, required=settings.require_signature, sign_published=settings.sign_published
    )
    await signatures.start()
    manifests = Manifests(
        pool,
        signatures,
        platform_key,
        room.clock,
        lifetime_seconds=settings.manifest_seconds,
        threshold=settings.manifest_threshold,
    )
    vetting = Vetting(
        pool,
        store,
        room.clock,
        signature_required=settings.require_signature,
        interval_seconds=settings.vet_interval_seconds,
        rehash_seconds=settings.rehash_seconds,
    )
    uploads = Uploads(pool, store, bounds, part_bytes=settings.part_bytes, on_published=signatures.on_published)
    agents = AgentAccess(_asking_agent_state(bus), room.clock.monotonic, entries=settings.verdict_cache_entries)
    file_tickets = FileTickets()
    ticket_keys = TicketKeys(pool, file_tickets, room.clock)
    await ticket_keys.refresh()
    listener = Listener(
        uploads,
        Downloads(pool, store, signatures),
        Tickets(_asking_api_gateway(bus), room.clock.monotonic),
        agents,
        file_tickets,
        up=Lane("up", settings.max_uploads_at_once),
        down=Lane("down", settings.max_downloads_at_once),
        idle_seconds=settings.idle_seconds,
        presigned_seconds=settings.presigned_seconds if settings.downloads == "presigned" else 0,
    )
    questions = Questions(
        pool,
        Catalogue(pool),
        uploads,
        quota_bytes=settings.tenant_quota_bytes,
        upload_retention_seconds=settings.upload_retention_seconds,
    )
    signing_questions = SigningQuestions(pool, signatures, manifests)
    sweeper = Sweeper(
        pool,
        store,
        uploads,
        room.clock,
        interval_seconds=settings.sweep_interval_seconds,
        upload_retention_seconds=settings.upload_retention_seconds,
        blob_retention_seconds=settings.blob_retention_seconds,
    )

    async def on_identity(_: BusMessage) -> None:
        agents.forget()

    await bus.subscribe(subjects.IDENTITY, on_identity)
    _ = room.spawn(Leader(postgres_url, "outbox").run(OutboxRelay(pool, bus, streams.EVENTS).run), "outbox")
    _ = room.spawn(ticket_keys.run(), "ticket_keys")
    _ = room.spawn(Leader(postgres_url, "sweeper").run(sweeper.run), "sweeper")
    _ = room.spawn(Leader(postgres_url, "vetting").run(vetting.run), "vetting")
    _ = room.spawn(Leader(postgres_url, "manifests").run(manifests.run), "manifests")
    port = await _listen(room, settings, listener.application())
    offering = Offering(
        pool,
        bus,
        settings,
        public_url=public_url_of(settings.public_url, settings.host, port),
        mint=file_tickets.mint,
        signatures=chosen,
        guard=refuse_while_moved,
    )
    offering.start(room)
    on_campaigns = AssignmentOffers()
    runner = Runner(
        pool,
        on_campaigns,
        room.clock,
        interval_seconds=settings.campaign_interval_seconds,
        retention_days=settings.campaign_retention_days,
    )
    _ = room.spawn(Leader(postgres_url, "campaigns").run(runner.run), "campaigns")
    campaign_questions = CampaignQuestions(pool, Campaigns(pool, on_campaigns), room.clock)
    answered = {
        **questions.handlers(),
        **signing_questions.handlers(),
        **offering.handlers(),
        **campaign_questions.handlers(),
    }
    await bus.serve(SERVICE, room.version, answered)


async def _listen(room: Room, settings: PackageServiceSettings, app: web.Application) -> int:
    """Begin to answer; returns the port."""
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=DRAIN_SECONDS,
        auto_decompress=False,
        # A client that is gone ends its transfer, and an upload's memory with it.
        handler_cancellation=True,
    )
    await runner.setup()
    room.on_drain(runner.cleanup)
    await web.TCPSite(runner, settings.host, settings.port).start()
    port: int = runner.addresses[0][1]
    log.info("files_listening", host=settings.host, port=port)
    return port


def _asking_agent_state(bus: Bus) -> Callable[[bytes, str], Awaitable[identity.Verdict]]:
    async def ask(token_hash: bytes, address: str) -> identity.Verdict:
        request = identity.AuthenticateAgentsRequest(proofs=[identity.Proof(token_hash=token_hash, remote_ip=address)])
        return (await bus.call(subjects.AUTHENTICATE_AGENTS, request, timeout_seconds=ASK_SECONDS)).verdicts[0]

    return ask


def _asking_api_gateway(bus: Bus) -> Callable[[], Awaitable[Mapping[str, bytes]]]:
    async def ask() -> dict[str, bytes]:
        reply = await bus.call(subjects.GET_TICKET_KEYS, api.GetTicketKeysRequest(), timeout_seconds=ASK_SECONDS)
        return {key.kid: key.public_key for key in reply.keys}

    return ask
