"""
What happens without being told: repeats, timeouts, confirmations, and the comparison that heals everything.

Runs under a leader. Two of them would be harmless: agents are locked while they are decided on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from config_service import attempt_store, configuration_store, metrics, target_store
from config_service.attempt import Cause
from config_service.distribution import CHUNK, Effects
from config_service.offers import FULL_STATE, Order
from config_service.target import State

if TYPE_CHECKING:
    import asyncpg

    from config_service.distribution import Distribution
    from servicekit.bus import Bus
    from servicekit.clock import Clock

log = structlog.get_logger()

BATCH = 5_000
PRUNE_EVERY_SECONDS = 600.0
AGES = ("under_1m", "under_5m", "under_1h", "over_1h")


class Sweeper:
    """
    Looks at agents whose time has come, and now and then at all of them.

    Args:
        pool: The service's pool.

        bus: While it is away nothing is decided: an offer nobody can hear would only count as tried.

        distribution: Decides and acts.

        clock: For waiting; what is due is the database's to say.

        interval_seconds: Between looks at what is due.

        level_interval_seconds: Between looks at everything.

        retention_days: How long the ledger is kept.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        bus: Bus,
        distribution: Distribution,
        clock: Clock,
        *,
        interval_seconds: float,
        level_interval_seconds: float,
        retention_days: int,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._distribution = distribution
        self._clock = clock
        self._interval = interval_seconds
        self._level_interval = level_interval_seconds
        self._retention_days = retention_days
        self._generation = bus.generation
        self._undescribed: set[tuple[str, bytes]] = set()

    async def run(self) -> None:
        """Sweep for ever; raises what a lost database raises, so that leadership is given up."""
        next_level = next_prune = self._clock.monotonic()
        while True:
            if self._bus.connected:
                await self.after_outage()
                await self.sweep_due()
            if self._clock.monotonic() >= next_level:
                await self.compare_all()
                next_level = self._clock.monotonic() + self._level_interval
            if self._clock.monotonic() >= next_prune:
                await attempt_store.prune(self._pool, self._retention_days)
                next_prune = self._clock.monotonic() + PRUNE_EVERY_SECONDS
            await self._clock.sleep(self._interval)

    async def after_outage(self) -> None:
        """After a reconnect to the bus: offers recorded but not delivered may never have been heard; due now."""
        if self._bus.generation == self._generation:
            return
        generation = self._bus.generation
        count = await target_store.mark_unheard(self._pool)
        self._generation = generation
        log.info("offers_due_after_outage", agents=count)

    async def sweep_due(self) -> int:
        """Decide for every agent whose time has come; return how many."""
        count = 0
        for tenant_id, uids in (await target_store.due(self._pool, BATCH)).items():
            for start in range(0, len(uids), CHUNK):
                count += await self._decide(tenant_id, uids[start : start + CHUNK])
        return count

    async def compare_all(self) -> None:
        """Make due whoever drifted unnoticed, and take the figures."""
        late = await target_store.mark_level(self._pool)
        if late:
            log.info("agents_found_drifting", agents=late)
        await self.ask_undescribed()
        await self.measure()

    async def ask_undescribed(self) -> int:
        """
        Ask for its full state whoever was not described by now nor at the look before; return how many.

        Without labels no selector finds an agent; gateways say a description once, and that may have been lost.
        """
        found = await target_store.undescribed(self._pool, BATCH)
        asked = [
            Order(tenant_id, uid, epoch, gateway_id, FULL_STATE)
            for (tenant_id, uid), (epoch, gateway_id) in found.items()
            if (tenant_id, uid) in self._undescribed
        ]
        self._undescribed = set(found)
        self._distribution.act(Effects(orders=asked))
        return len(asked)

    async def measure(self) -> None:
        """Set the gauges from the state of the database."""
        metrics.CONFIGURATIONS.set(await configuration_store.count_all(self._pool))
        by_state = await target_store.all_states(self._pool)
        for state in State:
            metrics.AGENTS.labels(state.value).set(by_state.get(state.value, 0))
        metrics.QUARANTINED.set(by_state.get(State.FAILED.value, 0) + by_state.get(State.TIMED_OUT.value, 0))
        drift = await target_store.drift(self._pool)
        for age in AGES:
            metrics.DRIFT.labels(age).set(drift.get(age, 0))

    async def _decide(self, tenant_id: str, uids: list[bytes]) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            index = await self._distribution.matcher.index(connection, tenant_id)
            before = await target_store.load(connection, tenant_id, uids, lock=True)
            now = await target_store.now(connection)
            due = [target for target in before.values() if target.due_at is not None and target.due_at <= now]
            after = [self._distribution.resolved(target, index) for target in due]
            effects = await self._distribution.settle(connection, tenant_id, before, after, now, cause=Cause.SWEEP)
        self._distribution.act(effects)
        await asyncio.sleep(0)
        return len(due)
