"""
Keep what agents were given in agreement with what they should have: desired, offered, applied.

Facts, policies and credentials only hint that somebody may be due; what decides is the comparison of the agent's row
with what the last decision about it was based on. A lost hint therefore costs time, never an offer. Where there are
neither policies nor credentials of agents' own, nothing here is ever done.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from agent_state import metrics
from agent_state.publisher import connection_settings_ended
from agent_state.settings_composer import Composed
from agent_state.settings_offers import Order
from agent_state.settings_reconcile import DEFAULT_PATIENCE, Patience, Standing, State, Wish, plan
from servicekit import outbox
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from agent_state.folding import Key
    from agent_state.settings_composer import SettingsComposer
    from agent_state.settings_offers import SettingsOffers
    from agent_state.settings_policy import Policy
    from agent_state.settings_policy_store import SettingsPolicyStore
    from agent_state.settings_store import Seen, SettingsStore
    from servicekit.bus import Bus
    from servicekit.clock import Clock
    from servicekit.postgres import Connection as Db

log = structlog.get_logger()

CHUNK = 500
MAX_HINTS = 100_000
"""More are left to the sweep."""

LOOK_SECONDS = 1.0
LEVEL_SECONDS = 20.0
_ENDS = frozenset((State.APPLIED, State.FAILED, State.TIMED_OUT))


class SettingsDesk:
    """
    Decides and offers.

    Args:
        bus: While it is away nothing is decided: an offer nobody can hear would only count as tried.

        patience: How long to wait for what.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        bus: Bus,
        *,
        policies: SettingsPolicyStore,
        composer: SettingsComposer,
        store: SettingsStore,
        offers: SettingsOffers,
        clock: Clock,
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._policies = policies
        self._composer = composer
        self._store = store
        self._offers = offers
        self._clock = clock
        self._patience = patience
        self._tenants: dict[str, tuple[int, bool]] = {}
        self._hints: set[Key] = set()
        self._wake = asyncio.Event()
        self._bus_generation = bus.generation

    # --- hints -------------------------------------------------------------------------------------------

    def hint(self, keys: Iterable[Key]) -> None:
        """Look at these agents soon; free of charge where nothing is meant for anybody."""
        if not self._tenants or len(self._hints) > MAX_HINTS:
            return
        self._hints.update(key for key in keys if key[0] in self._tenants)
        if self._hints:
            self._wake.set()

    async def run(self) -> None:
        """Follow hints for ever; every replica follows those it was given."""
        while True:
            try:
                await self.look_at_tenants()
                await self.follow_hints()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("settings_wait", error=str(error) or type(error).__name__)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def look_at_tenants(self) -> None:
        """Learn for whom anything is meant at all."""
        with_policies = await self._policies.tenants(self._pool)
        found = {tenant_id: known for tenant_id, known in with_policies.items() if known[1]}
        for tenant_id in await self._store.tenants(self._pool):
            found.setdefault(tenant_id, with_policies.get(tenant_id, (0, False)))
        self._tenants = found

    async def follow_hints(self) -> int:
        """Decide for those hinted at; return how many were looked at."""
        self._wake.clear()
        if not self._bus.connected:
            return 0
        hints, self._hints = self._hints, set()
        groups: dict[str, list[bytes]] = defaultdict(list)
        for tenant_id, uid in sorted(hints):
            groups[tenant_id].append(uid)
        for tenant_id, uids in groups.items():
            if not self._tenants.get(tenant_id, (0, False))[1]:
                uids = await self._store.known(self._pool, tenant_id, uids)  # noqa: PLW2901 - narrowed
            await self.decide(tenant_id, uids)
        return len(hints)

    # --- the sweep, one replica at a time -----------------------------------------------------------------

    async def sweep(self) -> None:
        """Make certain for ever; raises what a lost database raises, so that leadership is given up."""
        swept: dict[str, tuple[int, bool]] = {}
        next_level = self._clock.monotonic()
        while True:
            if self._bus.connected:
                await self.after_outage()
                await self.sweep_due()
                await self.look_at_tenants()
                level = self._clock.monotonic() >= next_level
                for tenant_id, known in list(self._tenants.items()):
                    if level or swept.get(tenant_id) != known:
                        await self.sweep_stale(tenant_id)
                        swept[tenant_id] = known
                if level:
                    await self.measure()
                    next_level = self._clock.monotonic() + LEVEL_SECONDS
            await self._clock.sleep(LOOK_SECONDS)

    async def after_outage(self) -> None:
        """After a reconnect to the bus: offers recorded but not delivered may never have been heard; due now."""
        generation = self._bus.generation
        if generation != self._bus_generation:
            await self._store.mark_unheard(self._pool)
            self._bus_generation = generation

    async def sweep_due(self) -> int:
        """Decide for those whose time has come; return how many."""
        count = 0
        for tenant_id, uids in (await self._store.due(self._pool, CHUNK)).items():
            await self.decide(tenant_id, uids)
            count += len(uids)
        return count

    async def sweep_stale(self, tenant_id: str) -> int:
        """Decide for every agent about which something changed since the last decision; return how many."""
        generation, has_policies = self._tenants.get(tenant_id, (0, False))
        count, after = 0, b""
        while True:
            uids = await self._store.stale(self._pool, tenant_id, after, generation, CHUNK, has_policies=has_policies)
            if uids:
                await self.decide(tenant_id, uids)
                count, after = count + len(uids), uids[-1]
            if len(uids) < CHUNK:
                return count

    async def measure(self) -> None:
        """Set the gauges from the database."""
        counted = await self._store.count(self._pool)
        for state in State:
            metrics.SETTINGS_AGENTS.labels(state.value).set(counted.get(state.value, 0))

    # --- one decision -------------------------------------------------------------------------------------

    async def decide(self, tenant_id: str, uids: Sequence[bytes]) -> None:
        """Decide for these agents, in portions, and offer what is due."""
        for start in range(0, len(uids), CHUNK):
            async with self._pool.acquire() as connection, connection.transaction():
                orders = await self._decide(connection, tenant_id, uids[start : start + CHUNK])
            await self._offers.speak(orders)

    async def _decide(self, connection: Db, tenant_id: str, uids: Sequence[bytes]) -> list[Order]:
        now: datetime = await connection.fetchval("SELECT now()")
        generation = await self._policies.generation(connection, tenant_id)
        due_times = await self._store.due_times(connection, tenant_id, uids)
        agents = {seen.uid: seen for seen in await self._store.agents(connection, tenant_id, sorted(uids))}
        policies = await self._policies.current(connection, tenant_id)
        composed = {
            uid: await self._compose(connection, policies, (tenant_id, uid), seen, 0) for uid, seen in agents.items()
        }
        standings = await self._store.lock(connection, tenant_id, sorted(uids))
        decided: list[tuple[Standing, Seen | None]] = []
        orders: list[Order] = []
        outcomes: list[Standing] = []
        for uid, before in standings.items():
            if before.due_at != due_times.get(uid):
                # Something of it changed since it was composed, perhaps unseen: left due, it is looked at again.
                continue
            seen = agents.get(uid)
            if seen is None or seen.situation.epoch < before.seen_epoch:
                # Not known yet, or somebody else saw more; the sweep looks again.
                decided.append((replace(before, due_at=None), None))
                continue
            wanted = composed[uid]
            if before.retries and wanted.offers is not None:
                # Part of the hash, and only known for certain now that the row is locked.
                wanted = await self._compose(connection, policies, (tenant_id, uid), seen, before.retries)
            wish = Wish(wanted.hash, wanted.policies, wanted.fault)
            after, is_due = plan(before, seen.situation, wish, now, self._patience)
            decided.append((after, seen))
            if is_due and wanted.offers is not None:
                orders.append(_order(tenant_id, seen, wanted))
            if after.state is not before.state and after.state in _ENDS:
                outcomes.append(after)
        await self._store.save(connection, generation, decided)
        await self._say(connection, outcomes, now)
        return orders

    async def _say(self, connection: Db, outcomes: Sequence[Standing], now: datetime) -> None:
        """Count how offers ended and, where the agent itself said so, tell the world after commit."""
        for standing in outcomes:
            metrics.SETTINGS_OUTCOMES.labels(standing.state.value).inc()
        told = [standing for standing in outcomes if standing.state is not State.TIMED_OUT]
        await outbox.add(
            connection, [connection_settings_ended(standing, standing.seen_epoch, now) for standing in told]
        )

    async def _compose(
        self, connection: Db, policies: Sequence[Policy], key: Key, seen: Seen, retries: int
    ) -> Composed:
        taker = replace(seen.taker, retries=retries)
        return await self._composer.compose_from(connection, policies, key, taker, has_credential=seen.has_credential)


def _order(tenant_id: str, seen: Seen, composed: Composed) -> Order:
    assert composed.offers is not None  # noqa: S101 - the caller looked
    return Order(
        tenant_id,
        seen.uid,
        seen.situation.epoch,
        seen.gateway_id,
        composed.hash,
        composed.offers.SerializeToString(deterministic=True),
    )
