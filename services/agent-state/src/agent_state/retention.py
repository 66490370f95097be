"""Upkeep of what grows: weekly partitions of the history made ahead and dropped, unused bodies, old tombstones."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import structlog

from agent_state.effective_config_store import GC_BATCH

if TYPE_CHECKING:
    from agent_state.effective_config_store import EffectiveConfigStore
    from servicekit.clock import Clock

log = structlog.get_logger()

UPKEEP_SECONDS = 3600.0
WEEKS_AHEAD = 4
DELETE_BATCH = 10_000
TABLE = "agent_connection"
REST = "agent_connection_rest"
_NAME = re.compile(rf"{TABLE}_(\d{{8}})")

_NOW = "SELECT now()"
_PARTITIONS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'agent_connection'::regclass
"""
_NEEDED = "SELECT EXISTS (SELECT FROM {table} WHERE disconnected_at IS NULL OR disconnected_at >= $1)"
_DELETE = """
DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} WHERE disconnected_at < $1 LIMIT $2)
"""
_TOMBSTONES = "DELETE FROM agent_tombstone WHERE deleted_at < now() - interval '2 days'"


class Retention:
    """Keeps the tables as small as settings allow; everything here may fail and be done next time."""

    def __init__(self, pool: asyncpg.Pool, configs: EffectiveConfigStore, *, connection_days: int) -> None:
        self._pool = pool
        self._configs = configs
        self._keep = timedelta(days=connection_days)

    async def run(self, clock: Clock) -> None:
        """Do all of it now and then, for ever; one replica at a time."""
        while True:
            await self.keep_up()
            await clock.sleep(UPKEEP_SECONDS)

    async def keep_up(self) -> None:
        """Do all of it once."""
        now: datetime = await self._pool.fetchval(_NOW)
        await self.make_partitions(now)
        await self.drop_old(now)
        await self._pool.execute(_TOMBSTONES)
        while await self.collect_bodies() == GC_BATCH:
            log.info("bodies_collected", bodies=GC_BATCH)

    async def make_partitions(self, now: datetime) -> None:
        """Make the partitions of this week and the next ones."""
        monday = now.date() - timedelta(days=now.weekday())
        existing = set(await self._partitions())
        for week in range(WEEKS_AHEAD + 1):
            start = monday + timedelta(weeks=week)
            name = f"{TABLE}_{start:%Y%m%d}"
            if name not in existing:
                await self._make(name, start)

    async def drop_old(self, now: datetime) -> None:
        """Drop weeks nobody may ask for any more; an old connection that is still open, or ended late, stays."""
        cutoff = now - self._keep
        for name in await self._partitions():
            match = _NAME.fullmatch(name)
            if match is not None and _week_of(match.group(1)) + timedelta(weeks=1) > cutoff.date():
                continue
            needed = match is None or await self._pool.fetchval(_NEEDED.format(table=name), cutoff)
            if needed:
                await self._delete_ended(name, cutoff)
            else:
                await self._run(f"DROP TABLE {name}")
                log.info("connections_dropped", partition=name)

    async def collect_bodies(self) -> int:
        """Remove configuration bodies nobody runs; return how many."""
        async with self._pool.acquire() as connection, connection.transaction():
            return await self._configs.collect_garbage(connection)

    async def _partitions(self) -> list[str]:
        return sorted(row["relname"] for row in await self._pool.fetch(_PARTITIONS))

    async def _make(self, name: str, start: date) -> None:
        end = start + timedelta(weeks=1)
        try:
            await self._run(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {TABLE} "
                f"FOR VALUES FROM ('{start} 00:00+00') TO ('{end} 00:00+00')"
            )
        except asyncpg.CheckViolationError:
            # Rows of that week are in the default partition already; it keeps them, and the rest of the week.
            log.warning("partition_not_made", partition=name, reason=f"{REST} holds rows of that week")

    async def _delete_ended(self, name: str, cutoff: datetime) -> None:
        while True:
            done = await self._pool.execute(_DELETE.format(table=name), cutoff, DELETE_BATCH)
            if int(done.rsplit(" ", 1)[1]) < DELETE_BATCH:
                return

    async def _run(self, statement: str) -> None:
        """Change the schema without standing in anybody's way for long; who cannot now, does it next time."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                await connection.execute(statement)
        except asyncpg.LockNotAvailableError:
            log.info("upkeep_postponed", statement=statement)


def _week_of(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day, not a time
