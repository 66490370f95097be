"""Where everything is built."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from aiohttp import web

from api_gateway import metrics
from api_gateway.authentication import Authenticator
from api_gateway.gateways import OPAMP, GatewayCheck
from api_gateway.openapi import document_text
from api_gateway.parts import Parts, Throttles
from api_gateway.passwords import Passwords
from api_gateway.permissions import Role
from api_gateway.routes import all_routes
from api_gateway.routing import Bounds, build_application
from api_gateway.settings import ApiGatewaySettings
from api_gateway.store import Sessions, Users
from api_gateway.throttle import Limit, Throttle
from api_gateway.ticketing import TicketOffice
from api_gateway.tokens import AccessTokens, load_keys
from api_gateway.upstream.agent_state import AgentState
from api_gateway.upstream.campaigns import Campaigns
from api_gateway.upstream.config_service import ConfigService
from api_gateway.upstream.connection_settings import ConnectionSettings
from api_gateway.upstream.custom_messages import CustomMessages
from api_gateway.upstream.identity import Identity
from api_gateway.upstream.package_offers import PackageOffers
from api_gateway.upstream.package_service import PackageService
from api_gateway.upstream.package_signatures import PackageSignatures
from api_gateway.upstream.package_transfer import PackageTransfer
from contracts import subjects
from contracts.subjects import AGENT_STATE, CONFIG_SERVICE, PACKAGE_SERVICE
from servicekit.bus import Bus
from servicekit.clock import Clock
from servicekit.postgres import close_pool, connect_pool, is_transient, ping
from servicekit.runner import Room

log = structlog.get_logger()

SERVICE = "api-gateway"
BURST_SECONDS = 10
KEEPALIVE_SECONDS = 35
FORGET_EVERY_SECONDS = 3600.0
PING_TIMEOUT_SECONDS = 1.5


async def build(room: Room, settings: ApiGatewaySettings) -> None:
    """Connect, put the parts together, listen."""
    keys = load_keys(settings.signing_key_file)
    if settings.signing_key_file is None:
        log.warning("signing_key_in_memory", advice="set API_GATEWAY_SIGNING_KEY_FILE: tokens end with this process")
    pool = await connect_pool(settings.postgres_url.get_secret_value(), service=SERVICE)
    room.stack.push_async_callback(close_pool, pool)
    bus = await Bus.connect(settings.nats_url.get_secret_value(), name=SERVICE)
    room.stack.push_async_callback(bus.close)

    room.health.register("database", lambda: ping(pool), critical=True)
    room.health.register("nats", bus.ping, critical=True)
    for service in (AGENT_STATE, CONFIG_SERVICE, PACKAGE_SERVICE):
        room.health.register(service, _pinger(bus, service), critical=False)

    users = Users(pool)
    sessions = Sessions(pool, lifetime=timedelta(seconds=settings.refresh_token_seconds))
    tokens = AccessTokens(keys, lifetime_seconds=settings.access_token_seconds)
    throttles = _throttles(settings, room.clock)
    metrics.THROTTLE_KEYS.set_function(lambda: sum(len(throttle) for throttle in vars(throttles).values()))
    agents = AgentState(bus, settings.upstream_timeout_seconds)
    identity = Identity(bus, settings.upstream_timeout_seconds)
    custom_messages = CustomMessages(bus, identity, max_waiting=settings.max_waiting_calls)
    metrics.WAITING_CALLS.set_function(lambda: custom_messages.waiting)
    room.health.register(OPAMP, GatewayCheck(agents, room.clock.monotonic), critical=False)
    office = TicketOffice(keys)
    package_transfer = await room.stack.enter_async_context(
        PackageTransfer(settings.package_service_address, office.sign, idle_seconds=settings.transfer_idle_seconds)
    )
    parts = Parts(
        agents=agents,
        identity=identity,
        connection_settings=ConnectionSettings(bus, settings.upstream_timeout_seconds),
        custom_messages=custom_messages,
        configurations=ConfigService(bus, settings.upstream_timeout_seconds),
        packages=PackageService(bus, settings.upstream_timeout_seconds),
        package_offers=PackageOffers(bus, settings.upstream_timeout_seconds),
        campaigns=Campaigns(bus, settings.upstream_timeout_seconds),
        package_signatures=PackageSignatures(bus, settings.upstream_timeout_seconds),
        package_transfer=package_transfer,
        users=users,
        sessions=sessions,
        passwords=Passwords(),
        tokens=tokens,
        authenticator=Authenticator(
            tokens, sessions, room.clock.monotonic, recheck_seconds=settings.session_recheck_seconds
        ),
        throttles=throttles,
        health=room.health,
        clock=room.clock,
        version=room.version,
        openapi=document_text().encode(),
        registration_enabled=settings.registration_enabled,
        capability_roles={pattern: Role(role) for pattern, role in settings.custom_capability_roles.items()},
    )
    await bus.serve(SERVICE, room.version, {subjects.GET_TICKET_KEYS: office.get_ticket_keys})
    await _listen(room, settings, build_application(all_routes(), parts, _bounds(settings)))
    _ = room.spawn(_forget_expired_sessions(sessions, room.clock), "forget expired sessions")


async def _listen(room: Room, settings: ApiGatewaySettings, app: web.Application) -> None:
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=10,
        # Compressed bodies are refused, so nothing here ever inflates.
        auto_decompress=False,
    )
    await runner.setup()
    room.on_drain(runner.cleanup)
    site = web.TCPSite(runner, settings.host, settings.port)
    await site.start()
    log.info("api_listening", host=settings.host, port=runner.addresses[0][1])


async def _forget_expired_sessions(sessions: Sessions, clock: Clock) -> None:
    """Once an hour; any replica may, and a database that is away just makes it late."""
    while True:
        try:
            await sessions.forget_expired()
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("sessions_not_forgotten", error=type(error).__name__)
        await clock.sleep(FORGET_EVERY_SECONDS)


def _pinger(bus: Bus, service: str) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        # NATS micro services answer this by themselves: no table is read for it.
        await bus.request(f"$SRV.PING.{service}", b"", timeout_seconds=PING_TIMEOUT_SECONDS)

    return ask


def _throttles(settings: ApiGatewaySettings, clock: Clock) -> Throttles:
    def throttle(per_second: float, burst: int) -> Throttle:
        return Throttle(Limit(per_second, burst), clock.monotonic)

    def per_minute(failures: int) -> Throttle:
        return throttle(failures / 60, failures)

    return Throttles(
        login_pair=per_minute(settings.login_per_account_and_address_per_minute),
        login_account=per_minute(settings.login_per_account_per_minute),
        login_address=per_minute(settings.login_per_address_per_minute),
        read=throttle(settings.reads_per_second, settings.reads_per_second * BURST_SECONDS),
        write=throttle(settings.writes_per_second, settings.writes_per_second * BURST_SECONDS),
    )


def _bounds(settings: ApiGatewaySettings) -> Bounds:
    return Bounds(
        max_body_bytes=settings.max_body_bytes,
        body_timeout_seconds=settings.body_timeout_seconds,
        request_timeout_seconds=settings.request_timeout_seconds,
        trusted_proxies=settings.proxy_networks(),
        cors_origins=frozenset(settings.cors_origins),
    )
