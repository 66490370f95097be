"""Queries of agent-state on tables filled for the purpose, each as the service itself asks it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from agent_state.agent_query import AgentQuery
from agent_state.paging import Page
from agent_state.presence_store import PresenceStore
from benchmarks.figures import FLOOR, PLATFORM
from benchmarks.generator import percentiles_ms
from benchmarks.processes import free_port
from benchmarks.report import Results
from devstack.database import prepare
from devstack.postgres import PostgresServer
from servicekit.migrate import migrate
from servicekit.postgres import connect_pool

TENANT = "default"
HISTORY_ROWS = 10_000
SILENCE_SECONDS = 60.0
MANY = 10_000
_SERVICE = "agent-state"
_SCHEMA = "agent_state"

_AGENTS = """
INSERT INTO agent (tenant_id, agent_uid, epoch, sequence, gateway_id, connected_sequence, last_connected_at,
  transport, described_epoch, described_sequence, name, version, hostname, os_type, architecture,
  health_epoch, health_sequence, health_state, config_epoch, config_sequence, config_state, closed_epoch)
SELECT $1, decode(md5(i::text), 'hex'), i, 5, 'gateway', 1, now() - interval '1 hour',
  1, i, 2, 'collector-' || i % 50, '0.131.' || i % 7, 'host-' || i, 'linux', 'amd64',
  i, 3, CASE WHEN i % 40 = 0 THEN 'unhealthy' ELSE 'healthy' END, i, 4, 'applied',
  CASE WHEN i % 20 = 0 THEN i ELSE 0 END
FROM generate_series($2::integer, $3::integer) AS i
"""
_PRESENCE = """
INSERT INTO agent_presence (tenant_id, agent_uid, epoch, gateway_id, last_seen_at)
SELECT tenant_id, agent_uid, epoch, gateway_id, now() FROM agent
ON CONFLICT DO NOTHING
"""
_HISTORY = """
INSERT INTO agent_connection (tenant_id, agent_uid, connected_at, epoch, disconnected_at, disconnect_reason, closed_by)
SELECT $1, $2, now() - i * interval '1 hour', 1000000 - i, now() - i * interval '1 hour' + interval '50 minutes',
  'connection closed', 2
FROM generate_series(1, $3::integer) AS i
"""


class Bench:
    """Timed calls against one database."""

    def __init__(self, results: Results, pool: asyncpg.Pool, calls: int) -> None:
        self._results = results
        self._pool = pool
        self._calls = calls

    async def time(self, figure: str, contender: str, call: Callable[[], Awaitable[object]]) -> None:
        """Note the 99th percentile of as many calls, after a few that warm up."""
        for _ in range(5):
            await call()
        seen = []
        for _ in range(self._calls):
            begin = time.perf_counter_ns()
            await call()
            seen.append(time.perf_counter_ns() - begin)
        self._results.add(figure, contender, 0, percentiles_ms(seen)["p99_ms"])

    async def both(self, figure: str, call: Callable[[], Awaitable[object]]) -> None:
        """Time *call*, and beside it the shortest round trip there is."""
        await self.time(figure, FLOOR, lambda: self._pool.fetchval("SELECT 1"))
        await self.time(figure, PLATFORM, call)


async def _sweep(pool: asyncpg.Pool, presence: PresenceStore) -> None:
    """Look for the silent, count them and give up those there are: both halves of a sweep."""
    _ = await presence.silent(SILENCE_SECONDS)
    async with pool.acquire() as connection, connection.transaction():
        _ = await presence.lose(connection, SILENCE_SECONDS, "bench", None)


async def _run(results: Results, url: str, counts: tuple[int, ...], calls: int, say: Callable[[str], None]) -> None:
    await migrate(url, _SCHEMA)
    pool = await connect_pool(url, service="benchmarks", max_size=2)
    try:
        query, presence = AgentQuery(pool), PresenceStore(pool)
        have = 0
        for count in counts:
            say(f"queries: {count:,} agents")
            await pool.execute(_AGENTS, TENANT, have + 1, count, timeout=300)
            await pool.execute(_PRESENCE, timeout=300)
            await pool.execute("VACUUM ANALYZE agent", timeout=300)
            await pool.execute("VACUUM ANALYZE agent_presence", timeout=300)
            have = count
            bench = Bench(results, pool, calls if count < MANY else calls // 4)
            await bench.both(f"query.summary_ms_at_{count}", lambda: query.summary(TENANT))
            await pool.execute("UPDATE agent_presence SET last_seen_at = now() + interval '1 hour'", timeout=300)
            await pool.execute("VACUUM ANALYZE agent_presence", timeout=300)
            await bench.both(f"query.sweep_ms_at_{count}", lambda: _sweep(pool, presence))
        uid = hashlib.md5(b"1", usedforsecurity=False).digest()
        await pool.execute(_HISTORY, TENANT, uid, HISTORY_ROWS, timeout=300)
        await pool.execute("VACUUM ANALYZE agent_connection", timeout=300)
        page = Page(limit=20, offset=0, after=None)
        await Bench(results, pool, calls).both("query.history_ms", lambda: query.history(TENANT, uid, page))
    finally:
        await pool.close()


def measure(results: Results, *, folder: Path, counts: tuple[int, ...], calls: int, say: Callable[[str], None]) -> None:
    """Start a PostgreSQL of its own, make agent-state's tables, fill them, ask."""
    password = secrets.token_urlsafe(12)
    server = PostgresServer(folder / "postgres", free_port(), password)
    try:
        server.start()
        prepare(server.url(), "bench", server.url("bench"), {_SERVICE: password})
        parts = urlsplit(server.url("bench"))
        url = urlunsplit(parts._replace(netloc=f"{_SCHEMA}:{password}@{parts.netloc.rpartition('@')[2]}"))
        asyncio.run(_run(results, url, counts, calls, say))
    finally:
        server.stop()
