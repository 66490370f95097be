"""Which replica serves which partition: advisory locks on one session, shared out evenly."""

from __future__ import annotations

import asyncio
import math
import random

import asyncpg
import structlog

from servicekit.groups import heed_cancellation
from servicekit.postgres import Connection, is_transient

log = structlog.get_logger()

REBALANCE_SECONDS = 5.0
_MEMBER = -1

_TRY = "SELECT pg_try_advisory_lock(hashtext(current_schema() || '/' || $1), $2)"
_RELEASE = "SELECT pg_advisory_unlock(hashtext(current_schema() || '/' || $1), $2)"
_JOIN = "SELECT pg_advisory_lock_shared(hashtext(current_schema() || '/' || $1), $2)"
_MEMBERS = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock' AND objsubid = 2
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid::bigint = (hashtext(current_schema() || '/' || $1)::bigint & 4294967295)
  AND objid::bigint = ($2::int::bigint & 4294967295)
"""


class PartitionLocks:
    """
    Keeps this replica's share of the partitions: all of them when alone, an even part beside others.

    Losing the session loses all locks at once; owns() says so from then on.
    """

    def __init__(self, pool: asyncpg.Pool, name: str, partitions: int) -> None:
        self._pool = pool
        self._name = name
        self._partitions = partitions
        self._owned: set[int] = set()
        # An event for each, no condition: many waiters of one asyncio.Condition that are cancelled together may wait
        # for ever for its lock (Python 3.11).
        self._gates = [asyncio.Event() for _ in range(partitions)]

    def owns(self, partition: int) -> bool:
        """Say whether this replica serves *partition* just now."""
        return partition in self._owned

    async def wait_for(self, partition: int) -> None:
        """Wait until this replica serves *partition*."""
        await self._gates[partition].wait()

    async def run(self) -> None:
        """Join, share, hold; begin again when the session is lost."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    try:
                        await self._hold(connection)
                    finally:
                        # A pooled session must not go back with locks on it.
                        self._set(set())
                        connection.terminate()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.info("partition_locks_lost", name=self._name, reason=type(error).__name__)
            heed_cancellation()
            await asyncio.sleep(0.5)

    async def _hold(self, connection: Connection) -> None:
        await connection.execute(_JOIN, self._name, _MEMBER)
        order = random.sample(range(self._partitions), self._partitions)
        while True:
            members = max(1, await connection.fetchval(_MEMBERS, self._name, _MEMBER))
            share = math.ceil(self._partitions / members)
            owned = set(self._owned)
            for partition in sorted(owned)[share:]:
                owned.discard(partition)
                self._set(owned)
                await connection.execute(_RELEASE, self._name, partition)
            for partition in order:
                if len(owned) >= share:
                    break
                if partition not in owned and await connection.fetchval(_TRY, self._name, partition):
                    owned.add(partition)
            self._set(owned)
            await asyncio.sleep(REBALANCE_SECONDS if len(owned) == share else 1.0)

    def _set(self, owned: set[int]) -> None:
        self._owned = set(owned)
        for partition, gate in enumerate(self._gates):
            if partition in owned:
                gate.set()
            else:
                gate.clear()
