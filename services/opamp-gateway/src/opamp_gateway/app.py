"""Where the gateway is put together; reads as its table of contents."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import resource
import socket
from typing import TYPE_CHECKING, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from contracts import subjects
from opamp_gateway import compiled, metrics
from opamp_gateway.answers import Greeting
from opamp_gateway.authority import AuthorityWatch
from opamp_gateway.certificates import Trust
from opamp_gateway.content import ContentShelf
from opamp_gateway.door import Door
from opamp_gateway.drain import drain
from opamp_gateway.epochs import EpochDesk
from opamp_gateway.gateway import Gateway
from opamp_gateway.identity_desk import IdentityDesk
from opamp_gateway.ids import gateway_id, uuid7
from opamp_gateway.limits import Admission
from opamp_gateway.offer_desk import OfferDesk
from opamp_gateway.polling import Polling
from opamp_gateway.presence import Presence
from opamp_gateway.publisher import Publisher
from opamp_gateway.questions import AgentState
from opamp_gateway.registry import Registry
from opamp_gateway.revocation import Revocations
from opamp_gateway.rivalry import Rivalry
from opamp_gateway.session import Rules
from opamp_gateway.sweeper import Sweeper
from opamp_gateway.upstream import BusSink, Rivals, StreamWatch, announce_all, spread
from servicekit.bus import Bus, BusMessage
from servicekit.cache import connect_redis

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from opamp_gateway.settings import Settings
    from servicekit.clock import Clock
    from servicekit.runner import Room

log = structlog.get_logger()

_HEART_SECONDS = 2.0
_HTTP_SECONDS = 1.0
_KEEPALIVE_SECONDS = 35.0
_GC_THRESHOLDS = (50_000, 50, 1000)


async def build(room: Room, settings: Settings) -> None:
    """Put the gateway together and open its door."""
    settings.check_open()
    raise_descriptor_limit()
    me = gateway_id(settings.gateway_id)
    structlog.contextvars.bind_contextvars(gateway_id=me)
    tls = settings.door_tls()
    rules = Rules(
        me,
        greeting=Greeting(settings.custom_capabilities),
        ask_again_seconds=settings.ask_again_seconds,
        offer_repeat_seconds=settings.offer_repeat_seconds,
        max_fact_bytes=settings.max_fact_bytes,
    )
    limits = settings.limits()

    bus = await Bus.connect(settings.nats_url.get_secret_value(), name=f"opamp-gateway {me}")
    room.stack.push_async_callback(bus.close)
    room.health.register("nats", bus.ping, critical=False)
    redis = connect_redis(settings.redis_url.get_secret_value())
    room.stack.push_async_callback(redis.aclose)

    clock = room.clock

    def announce() -> None:
        """Write every live session into the registry again."""
        gateway.errands.run(announce_all(gateway, registry), "announce")

    registry = Registry(
        redis,
        me,
        clock,
        lease_seconds=settings.lease_seconds,
        on_lost=announce,
        on_refused=lambda *whose, claim: gateway.superseded(*whose, claim=claim),
        on_displaced=lambda *whose: rivalry.displaced(*whose),  # noqa: PLW0108 - made below
    )
    room.health.register("redis", registry.ping, critical=False)
    publisher = Publisher(
        BusSink(bus),
        me,
        clock,
        partitions=subjects.DEFAULT_PARTITIONS,
        spool_facts=settings.spool_facts,
        spool_bytes=settings.spool_bytes,
        on_stored=registry.learn,
    )
    state = AgentState(bus, me)
    tokens = None if settings.authentication == "open" else _identity_desk(state, settings, clock)
    if tokens is not None:
        room.stack.push_async_callback(tokens.close)
    gateway: Gateway = Gateway(
        rules=rules,
        limits=limits,
        clock=clock,
        registry=registry,
        publisher=publisher,
        epochs=EpochDesk(
            state.allocate,
            clock,
            on_epoch=lambda session: gateway.numbered(session),  # noqa: PLW0108 - made in the next line
            on_late=publisher.discard,
        ),
        presence=Presence(lambda beat: bus.publish(subjects.presence(me), beat), me, clock),
        content=ContentShelf(
            lambda content_hash: bus.get_object(subjects.CONTENT_BUCKET, content_hash.hex()),
            max_bytes=settings.content_cache_bytes,
        ),
        admission=Admission(
            connects_per_second=settings.connects_per_second,
            connect_burst=settings.connect_burst,
            max_connections=settings.max_connections,
            retry_after_seconds=settings.retry_after_seconds,
            remembered=settings.remembered_agents,
            now=clock.monotonic(),
        ),
        tokens=tokens,
        admit=None if tokens is None else state.admit,
        certify=state.certify,
        spread=lambda speaker, body: gateway.errands.run(spread(bus, me, speaker, body), "custom message"),
        trust=Trust(settings.outside_authority()),
        rival=Rivals(bus, clock, limits.clone_seconds).holds,
        chance=random.random,
        fresh_uid=uuid7,
    )
    rivalry: Rivalry = Rivalry(gateway)
    room.stack.push_async_callback(gateway.errands.close)

    stream = StreamWatch(bus, gateway)
    _ = room.spawn(stream.run(), "facts stream")
    authority = AuthorityWatch(gateway, state.authority, tls)
    await authority.look()
    await _listen(bus, gateway, stream, announce)
    _start(room, gateway, registry)
    _ = room.spawn(authority.run(), "authority")
    heart = room.spawn(_beat(gateway, registry, settings.presence_seconds), "presence")
    plain_http = plain_http_server(gateway)
    server = await open_door(
        gateway,
        settings.host,
        settings.port,
        settings.backlog,
        reuse_port=settings.reuse_port,
        plain_http=plain_http,
        tls=tls,
    )

    async def leave() -> None:
        server.close()
        await drain(
            gateway,
            closes_per_second=settings.drain_closes_per_second,
            grace_seconds=settings.drain_grace_seconds,
        )
        if not await publisher.drain(5.0):
            log.warning("facts_left_unpublished", facts=publisher.waiting)
        await plain_http.shutdown(_HTTP_SECONDS)
        heart.cancel()
        _ = await asyncio.wait([heart], timeout=_HEART_SECONDS)
        await gateway.presence.beat(0, leaving=True)
        await registry.flush()
        await registry.drop_lease()

    room.on_drain(leave)
    _settle(server, settings, tls=tls is not None)


def _settle(server: asyncio.Server, settings: Settings, *, tls: bool) -> None:
    """Keep what is made at the start out of the collector's sight, and say where the door is."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    form = compiled.form()
    metrics.COMPILED.set(form.compiled)
    log.info("form", compiled=form.compiled, why=form.why)
    for listener in server.sockets:
        host, port = listener.getsockname()[:2]
        log.info("door_open", host=host, port=port, path=settings.path, authentication=settings.authentication, tls=tls)
    if settings.authentication == "open":
        log.warning("door_is_open_to_everybody", host=settings.host)


async def _listen(bus: Bus, gateway: Gateway, stream: StreamWatch, announce: Callable[[], None]) -> None:
    """Hear offers and calls to announce, and keep an eye on the stream."""
    desk = OfferDesk(gateway, bus.publish)

    async def on_offer(message: BusMessage) -> None:
        await desk.hear(message.payload, message.reply_to)

    async def on_resync(_: BusMessage) -> None:
        announce()

    revocations = Revocations(gateway)

    async def on_identity(message: BusMessage) -> None:
        await revocations.hear(message.payload)

    await stream.look()
    bus.on_reconnect(stream.look)
    await bus.subscribe(subjects.offer(gateway.rules.gateway_id), on_offer)
    await bus.subscribe(subjects.OFFER_ALL, on_offer)
    await bus.subscribe(subjects.RESYNC, on_resync)
    await bus.subscribe(subjects.IDENTITY, on_identity)
    bus.on_reconnect(revocations.start_over)


def _start(room: Room, gateway: Gateway, registry: Registry) -> None:
    """Start everything that runs as long as the gateway does."""
    for partition in range(subjects.DEFAULT_PARTITIONS):
        _ = room.spawn(gateway.publisher.run(partition), f"facts {partition}")
    _ = room.spawn(gateway.epochs.run(), "epochs")
    _ = room.spawn(registry.run_reads(), "registry reads")
    _ = room.spawn(registry.run_writes(), "registry writes")
    _ = room.spawn(Sweeper(gateway).run(), "sweeper")


async def open_door(
    gateway: Gateway,
    host: str,
    port: int,
    backlog: int = 4096,
    *,
    reuse_port: bool = False,
    plain_http: web.Server | None = None,
    tls: ssl.SSLContext | None = None,
) -> asyncio.Server:
    """
    Listen for agents, both transports.

    Raises:
        OSError: The address is taken or not ours.
    """
    serve = plain_http or plain_http_server(gateway)
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: cast("asyncio.Protocol", Door(gateway, serve)),
        host,
        port,
        backlog=backlog,
        reuse_port=reuse_port or None,
        family=socket.AF_UNSPEC,
        ssl=tls,
        ssl_handshake_timeout=None if tls is None else gateway.limits.handshake_seconds,
    )


def plain_http_server(gateway: Gateway) -> web.Server:
    """Make what serves plain HTTP requests: called without arguments it makes the protocol of one connection."""
    return web.Server(
        Polling(gateway).handle,
        access_log=None,
        logger=quiet_about_peers(),
        keepalive_timeout=_KEEPALIVE_SECONDS,
        auto_decompress=False,
        max_line_size=gateway.limits.max_head_bytes // 2,
        max_field_size=gateway.limits.max_head_bytes // 2,
        lingering_time=2.0,
    )


def quiet_about_peers() -> logging.Logger:
    """Make a logger for aiohttp that tells a peer's mistakes as such, not as errors of ours with a traceback."""

    def demote(record: logging.LogRecord) -> bool:
        cause = record.exc_info[1] if record.exc_info else None
        if isinstance(cause, HttpProcessingError | ConnectionError | web.RequestPayloadError):
            record.levelno, record.levelname = logging.DEBUG, "DEBUG"
            record.exc_info = record.exc_text = None
            return logger.isEnabledFor(logging.DEBUG)
        return True

    logger = logging.getLogger("opamp_gateway.http")
    logger.filters[:] = []
    logger.addFilter(demote)
    return logger


def raise_descriptor_limit() -> None:
    """Let this process hold as many connections as the system allows it; the soft limit is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _identity_desk(state: AgentState, settings: Settings, clock: Clock) -> IdentityDesk:
    return IdentityDesk(
        state.authenticate,
        clock,
        good_seconds=settings.token_cache_seconds,
        bad_seconds=settings.bad_token_cache_seconds,
        remembered=settings.remembered_agents,
    )


async def _beat(gateway: Gateway, registry: Registry, seconds: float) -> None:
    while True:
        await gateway.presence.beat(len(gateway.connections))
        await registry.renew_lease()
        await gateway.clock.sleep(seconds)
