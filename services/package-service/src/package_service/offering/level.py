"""The comparison that heals everything, and the figures. Run it under a Leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from package_service import metrics
from package_service.offering import attempt_store, contents, graves, target_store
from package_service.offering.offers import FULL_STATE, Order
from package_service.offering.standing import State

if TYPE_CHECKING:
    import asyncpg

    from package_service.offering.distribution import Distribution
    from package_service.offering.offers import OfferDesk
    from servicekit.bus import Bus
    from servicekit.clock import Clock

log = structlog.get_logger()

BATCH = 5_000
PRUNE_EVERY_SECONDS = 600.0

_STATES = "SELECT state, count(*) AS agents FROM agent_package GROUP BY state"
_FIGURES = """
SELECT (SELECT count(*) FROM package_assignment) AS assignments,
       (SELECT count(*) FROM package_target WHERE held <> '') AS held
"""


class Leveller:
    """
    Looks at everything now and then.

    Args:
        pool: The service's pool.

        bus: Its outages are noticed here.

        distribution: Knows how patient to be.

        offers: Takes questions to agents.

        clock: For waiting.

        interval_seconds: Between looks.

        retention_days: How long the ledger is kept.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        bus: Bus,
        distribution: Distribution,
        offers: OfferDesk,
        clock: Clock,
        *,
        interval_seconds: float,
        retention_days: int,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._distribution = distribution
        self._offers = offers
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._retention_days = retention_days
        self._generation = bus.generation
        self._undescribed: set[tuple[str, bytes]] = set()

    async def run(self) -> None:
        """Level for ever; raises what a lost database raises, so that leadership is given up."""
        next_prune = self._clock.monotonic()
        while True:
            await self.level()
            if self._clock.monotonic() >= next_prune:
                await self.prune()
                next_prune = self._clock.monotonic() + PRUNE_EVERY_SECONDS
            await self._clock.sleep(self._interval_seconds)

    async def level(self) -> int:
        """Make due whoever drifted unnoticed, and take the figures; return how many agents."""
        late = await target_store.mark_level(self._pool, self._distribution.policy.max_timeouts)
        if self._bus.generation != self._generation and self._bus.connected:
            self._generation = self._bus.generation
            late += await target_store.mark_unheard(self._pool)
        if late:
            log.info("agents_found_drifting", agents=late)
        await self._ask_undescribed()
        await self._measure()
        return late

    async def prune(self) -> None:
        """Forget old tries, deleted agents, and lists nobody should have."""
        await attempt_store.prune(self._pool, self._retention_days)
        await graves.prune(self._pool)
        async with self._pool.acquire() as connection:
            await contents.prune(connection)

    async def _ask_undescribed(self) -> None:
        """
        Ask for its full state whoever was not described by now nor at the look before.

        Without a description nothing fits an agent; gateways say it once, and that may have been lost.
        """
        found = await target_store.undescribed(self._pool, BATCH)
        self._offers.put(
            Order(tenant_id, uid, epoch, gateway_id, FULL_STATE)
            for (tenant_id, uid), (epoch, gateway_id) in found.items()
            if (tenant_id, uid) in self._undescribed
        )
        self._undescribed = set(found)

    async def _measure(self) -> None:
        by_state = {row["state"]: row["agents"] for row in await self._pool.fetch(_STATES)}
        for state in State:
            metrics.AGENT_PACKAGES.labels(state.value).set(by_state.get(state.value, 0))
        (row,) = await self._pool.fetch(_FIGURES)
        metrics.ASSIGNMENTS.set(row["assignments"])
        metrics.HELD.set(row["held"])
