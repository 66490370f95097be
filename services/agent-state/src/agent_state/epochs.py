"""
Connection numbers, growing whatever happens to the database.

A database restored from yesterday counts from a number that gateways, other services and the bus have passed long
ago: every new connection would look older than the one before it and be ignored. So every number that is heard of
lifts the sequence, and a number is handed out only if it is above all that were heard of here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_state.folding import HIGHEST_EPOCH
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    import asyncpg

log = structlog.get_logger()

TRY_AGAIN_SECONDS = 1.0

_ALLOCATE = "SELECT allocate_epochs($1)"
_RAISE = "SELECT raise_epochs($1)"
_STORED = """
SELECT greatest((SELECT max(epoch) FROM agent WHERE epoch <= $1), (SELECT max(epoch) FROM agent_tombstone
  WHERE epoch <= $1), 0)
"""


class Epochs:
    """Hands out connection numbers and keeps the sequence above those in use."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._seen = 0
        self._reached = 0

    async def start(self) -> None:
        """Lift the sequence above what is stored; waits while the database is away."""
        while True:
            try:
                await self.seen(await self._pool.fetchval(_STORED, HIGHEST_EPOCH))
            except Exception as error:
                if not is_transient(error):
                    raise
                log.info("epochs_not_checked", error=str(error) or type(error).__name__)
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            else:
                return

    async def allocate(self, count: int) -> int:
        """Hand out *count* numbers in a row; return the first."""
        heard_before = self._seen
        first: int = await self._pool.fetchval(_ALLOCATE, count)
        if first <= heard_before:
            log.warning("epochs_fell_behind", allocated=first, heard_of=heard_before)
            self.forget()
            await self.seen(heard_before)
            first = await self._pool.fetchval(_ALLOCATE, count)
        self._seen = max(self._seen, first + count - 1)
        self._reached = max(self._reached, first + count - 1)
        return first

    async def seen(self, epoch: int) -> None:
        """
        Note that *epoch* is in use; asks the database only when it is above everything known.

        Call outside transactions: it waits for others who allocate.
        """
        if self._seen < epoch <= HIGHEST_EPOCH:
            self._seen = epoch
        if self._seen <= self._reached:
            return
        reached: int = await self._pool.fetchval(_RAISE, self._seen)
        self._reached = max(self._reached, reached)

    def forget(self) -> None:
        """Trust the sequence no more: the database was away and may be another one now."""
        self._reached = 0
