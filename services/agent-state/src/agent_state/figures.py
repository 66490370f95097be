"""Figures about the fleet for /metrics, taken from the database every few seconds; never counted along."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_state import metrics
from agent_state.agent import STATUSES
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    import asyncpg

    from servicekit.clock import Clock

log = structlog.get_logger()

_BY_STATUS = "SELECT status, link, count(*) AS agents FROM agent GROUP BY status, link"
_AGES = """
SELECT width_bucket(age, $1::float8[]) AS bucket, count(*) AS agents, sum(age) AS seconds,
  count(*) FILTER (WHERE age > $2) AS stale
FROM (
  SELECT greatest(0, extract(epoch FROM now() - p.last_seen_at))::float8 AS age
  FROM agent a JOIN agent_presence p ON p.tenant_id = a.tenant_id AND p.agent_uid = a.agent_uid
  WHERE a.link = 'connected'
) connected GROUP BY bucket
"""


class Figures:
    """Refreshes the gauges of the fleet."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, *, refresh_seconds: float, silence_seconds: float) -> None:
        self._pool = pool
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._silence_seconds = silence_seconds

    async def run(self) -> None:
        """Refresh for ever; while the database is away the last figures stand."""
        while True:
            try:
                await self.refresh()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.info("figures_not_refreshed", error=str(error) or type(error).__name__)
            await self._clock.sleep(self._refresh_seconds)

    async def refresh(self) -> None:
        """Take the figures once."""
        by_status = dict.fromkeys(STATUSES, 0)
        connected = 0
        for row in await self._pool.fetch(_BY_STATUS):
            by_status[row["status"]] += row["agents"]
            connected += row["agents"] if row["link"] == "connected" else 0
        total = sum(by_status.values())
        for status, agents in by_status.items():
            metrics.AGENTS_BY_STATUS.labels(status).set(agents)
        metrics.AGENTS_TOTAL.set(total)
        metrics.AGENTS_CONNECTED.set(connected)
        metrics.AGENTS_DISCONNECTED.set(total - connected)
        ages = metrics.LastSeen()
        stale = 0
        edges = [float(edge) for edge in metrics.LAST_SEEN_BUCKETS_SECONDS]
        for row in await self._pool.fetch(_AGES, edges, self._silence_seconds):
            ages.counts[row["bucket"]] = row["agents"]
            ages.sum_seconds += row["seconds"]
            stale += row["stale"]
        metrics.AGENTS_STALE.set(stale)
        metrics.LAST_SEEN.current = ages
