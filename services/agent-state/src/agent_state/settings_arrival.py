"""
Connection settings in the first answer of a connection, before it has a number.

What is said there is recorded as delivered in the same transaction, so that it is not offered again when the facts of
the connection come in; and what was delivered a moment ago, or failed, is not said again to an agent that names no
hash: a client that forgets its settings when it reconnects because of them would do so for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent_state.settings_reconcile import DEFAULT_PATIENCE, Patience, arrived, is_due_on_arrival

if TYPE_CHECKING:
    from datetime import datetime

    from agent_state.admission import Arrival
    from agent_state.settings_composer import SettingsComposer
    from agent_state.settings_store import SettingsStore
    from opamp.v1 import opamp_pb2 as opamp
    from servicekit.postgres import Connection as Db

_NOW = "SELECT now()"


class SettingsArrival:
    """Composes, judges and records what arriving agents are told. Every method runs in the caller's transaction."""

    def __init__(
        self, composer: SettingsComposer, store: SettingsStore, *, patience: Patience = DEFAULT_PATIENCE
    ) -> None:
        self._composer = composer
        self._store = store
        self._patience = patience

    async def compose(
        self, connection: Db, arrival: Arrival, labels: Mapping[str, str]
    ) -> opamp.ConnectionSettingsOffers | None:
        """Tell what the agent should have; None = nothing."""
        composed = await self._composer.compose(
            connection,
            *arrival.key,
            capabilities=arrival.capabilities,
            transport=arrival.transport,
            labels=labels,
            credential_id=arrival.credential_id,
        )
        return composed.offers

    async def is_due(self, connection: Db, arrival: Arrival, offers: opamp.ConnectionSettingsOffers) -> bool:
        """Say whether the first answer is to carry *offers*; if so, that is recorded."""
        standing = await self._store.load(connection, *arrival.key)
        now: datetime = await connection.fetchval(_NOW)
        if not is_due_on_arrival(standing, offers.hash, arrival.last_settings_hash, now, self._patience):
            return False
        await self.note(connection, arrival, offers)
        return True

    async def note(self, connection: Db, arrival: Arrival, offers: opamp.ConnectionSettingsOffers) -> None:
        """Record that an answer carries *offers*."""
        now: datetime = await connection.fetchval(_NOW)
        standing = (await self._store.lock(connection, arrival.tenant_id, [arrival.uid]))[arrival.uid]
        await self._store.save(connection, None, [(arrived(standing, offers.hash, now), None)])
