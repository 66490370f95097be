"""Puts together what keeps agents' connection settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_state.settings_composer import OpampPart, Platform, SettingsComposer
from agent_state.settings_desk import SettingsDesk
from agent_state.settings_offers import SettingsOffers
from agent_state.settings_policy_store import SettingsPolicyStore
from agent_state.settings_routes import Announce, SettingsRoutes
from agent_state.settings_store import SettingsStore

if TYPE_CHECKING:
    import asyncpg

    from agent_state.settings import Settings
    from servicekit.bus import Bus
    from servicekit.clock import Clock
    from servicekit.postgres import Connection as Db


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """What composes, offers and shows connection settings."""

    composer: SettingsComposer
    standings: SettingsStore
    desk: SettingsDesk
    routes: SettingsRoutes

    async def due(self, connection: Db, tenant_id: str, uid: bytes) -> None:
        """Note, in the caller's transaction, that an agent's settings must be composed anew."""
        await self.standings.mark_due(connection, tenant_id, [uid])


def connection_settings_of(
    settings: Settings,
    bus: Bus,
    clock: Clock,
    *,
    pool: asyncpg.Pool,
    answering: asyncpg.Pool,
    opamp_part: OpampPart,
    announce: Announce,
) -> ConnectionSettings:
    """Make all of it; *pool* is for decisions, *answering* for questions, *opamp_part* tells agents' credentials."""
    policies, standings = SettingsPolicyStore(), SettingsStore()
    composer = SettingsComposer(policies, platform_of(settings), opamp_part)
    desk = SettingsDesk(
        pool, bus, policies=policies, composer=composer, store=standings, offers=SettingsOffers(bus), clock=clock
    )
    routes = SettingsRoutes(
        answering,
        policies=policies,
        store=standings,
        composer=composer,
        desk=desk,
        announce=announce,
        clock=clock,
        allow_insecure=settings.allow_insecure_tls_offers,
    )
    return ConnectionSettings(composer, standings, desk, routes)


def platform_of(settings: Settings) -> Platform:
    """Tell what offers may say of the platform itself."""
    longest_poll_seconds = max(1, int(settings.silence_seconds / 2))
    return Platform(settings.opamp_public_url, settings.opamp_public_ca, longest_poll_seconds)
