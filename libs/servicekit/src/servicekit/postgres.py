"""PostgreSQL: a pool that waits for its server, JSON both ways, and what counts as 'away'."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import orjson
import structlog
from asyncpg.pool import PoolConnectionProxy

from servicekit import metrics
from servicekit.bus import AWAY_CHECKS

log = structlog.get_logger()

Connection = asyncpg.Connection | PoolConnectionProxy
"""A connection of one's own, or one lent by a pool."""

COMMAND_TIMEOUT_SECONDS = 30.0
CLOSE_SECONDS = 5.0
_OPERATIONS = frozenset(("select", "insert", "update", "delete", "with", "begin", "commit", "copy", "create", "lock"))

_TRANSIENT_STATES = (
    "08",  # connection
    "25006",  # read-only transaction: a standby, until it is promoted
    "40001",  # serialisation
    "40P01",  # deadlock
    "53",  # insufficient resources: memory, disk, connections
    "55P03",  # lock not available
    "57",  # operator intervention: shutdown, start-up, cancelled statement
    "58",  # system error outside PostgreSQL: input and output
)


async def connect_pool(url: str, *, service: str, min_size: int = 1, max_size: int = 10) -> asyncpg.Pool:
    """
    Open a pool, trying until the server answers; cancel to give up.

    Args:
        url: postgresql:// URL of the service's own role; its search_path names its schema.

        service: Shown as application_name.

        min_size: Connections kept open.

        max_size: Connections at most.
    """
    while True:
        try:
            return await asyncpg.create_pool(
                url,
                min_size=min_size,
                max_size=max_size,
                command_timeout=COMMAND_TIMEOUT_SECONDS,
                timeout=5,
                max_inactive_connection_lifetime=60,
                init=_prepare,
                server_settings={
                    "application_name": service,
                    "lock_timeout": "10000",
                    "jit": "off",
                    # A generic plan made while a table was empty stays until ANALYZE: a minute of statements
                    # that time out after the first two thousand agents have come.
                    "plan_cache_mode": "force_custom_plan",
                },
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            if not is_transient(error):
                raise
            log.warning("postgres_not_reachable", error=str(error) or type(error).__name__)
            await asyncio.sleep(0.5)


def is_transient(error: BaseException) -> bool:
    """Say whether repeating later, unchanged, may succeed: the server is away, in trouble, or asked us to retry."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_TRANSIENT_STATES)
    # InternalClientError: the server went away between two steps of one statement.
    return isinstance(error, (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError))


async def close_pool(pool: asyncpg.Pool) -> None:
    """Close a pool; connections still lent after CLOSE_SECONDS are cut, so that stopping always ends."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except (TimeoutError, asyncpg.InterfaceError, OSError):
        pool.terminate()


async def ping(pool: asyncpg.Pool) -> None:
    """Raise unless the server answers; for health. Also notes the pool's size."""
    metrics.DB_CONNECTIONS_OPEN.set(pool.get_size())
    metrics.DB_CONNECTIONS_IDLE.set(pool.get_idle_size())
    async with pool.acquire(timeout=1.5) as connection:
        await connection.fetchval("SELECT 1", timeout=1.5)


async def _prepare(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, encoder=_encode_json, decoder=orjson.loads, schema="pg_catalog", format="text"
        )
    connection.add_query_logger(_observe)


def _encode_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _observe(record: asyncpg.connection.LoggedQuery) -> None:
    word = record.query.lstrip().split(None, 1)[0].lower() if record.query.strip() else "other"
    operation = word if word in _OPERATIONS else "other"
    metrics.DB_QUERIES.labels(operation).inc()
    metrics.DB_QUERY_SECONDS.labels(operation).observe(record.elapsed)


AWAY_CHECKS.append(is_transient)
