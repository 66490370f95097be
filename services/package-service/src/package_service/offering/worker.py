"""
What happens without being told by an agent: changes of files and assignments, repeats and timeouts.

Every replica runs one. They do not get into each other's way: agents somebody else has at hand are skipped, and come
again if they are still due.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from package_service.offering import matcher, target_marks, target_store
from package_service.offering.distribution import CHUNK
from servicekit.errors import ServiceError
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    import asyncpg

    from package_service.offering.distribution import Distribution
    from servicekit.bus import Bus

log = structlog.get_logger()

BATCH = 5_000

_CHANGES = "SELECT DISTINCT tenant_id FROM package_change LIMIT 100"
_TAKE_CHANGES = """
SELECT change_id, package FROM package_change WHERE tenant_id = $1
ORDER BY change_id FOR UPDATE SKIP LOCKED LIMIT 10000
"""
_DROP_CHANGES = "DELETE FROM package_change WHERE tenant_id = $1 AND change_id = ANY ($2::bigint[])"


class Worker:
    """
    Looks at agents whose time has come.

    Args:
        pool: The service's pool.

        bus: While it is away nothing is decided: an offer nobody can hear would only count as tried.

        distribution: Decides and acts.

        interval_seconds: Between looks, unless woken.
    """

    def __init__(self, pool: asyncpg.Pool, bus: Bus, distribution: Distribution, *, interval_seconds: float) -> None:
        self._pool = pool
        self._bus = bus
        self._distribution = distribution
        self._interval_seconds = interval_seconds
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now: something was just committed."""
        self._wake.set()

    async def run(self) -> None:
        """Look for ever; a database that is away makes it late."""
        while True:
            busy = False
            try:
                busy = await self.look()
            except ServiceError as error:
                log.warning("offers_wait", error=error.public)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("offers_wait", error=str(error) or type(error).__name__)
            if not busy:
                await self._rest()

    async def look(self) -> bool:
        """Look once; say whether there may be more to do at once."""
        if not self._bus.connected:
            return False
        for row in await self._pool.fetch(_CHANGES):
            await self.take_changes(row["tenant_id"])
        count = 0
        for tenant_id, uids in (await target_store.due(self._pool, BATCH)).items():
            for start in range(0, len(uids), CHUNK):
                count += await self._decide(tenant_id, uids[start : start + CHUNK])
        return count >= BATCH

    async def take_changes(self, tenant_id: str) -> int:
        """
        Have everybody look anew whom changes of files concern; return how many agents.

        Others are kept from matching only for the moment in which their indexes grow old: whoever is matched after
        that is matched against the change. The rest is marked piece by piece. Should that break off, the notes are
        still there, and somebody begins again.
        """
        count = 0
        async with self._pool.acquire() as keeper, keeper.transaction():
            notes = await keeper.fetch(_TAKE_CHANGES, tenant_id)
            if not notes:
                return 0
            async with self._pool.acquire() as connection:
                async with connection.transaction():
                    await matcher.begin_change(connection, tenant_id)
                uids = await target_marks.having(connection, tenant_id, sorted({note["package"] for note in notes}))
                for start in range(0, len(uids), CHUNK):
                    async with connection.transaction():
                        count += await target_marks.mark(connection, tenant_id, uids[start : start + CHUNK])
            await keeper.execute(_DROP_CHANGES, tenant_id, [note["change_id"] for note in notes])
        return count

    async def _decide(self, tenant_id: str, uids: list[bytes]) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._distribution.begin(connection, tenant_id)
            before = await target_store.load_due(connection, tenant_id, uids)
            now = await target_store.now(connection)
            effects = await self._distribution.settle(connection, tenant_id, before, list(before.values()), now)
        self._distribution.act(effects)
        await asyncio.sleep(0)
        return len(before)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval_seconds):
                await self._wake.wait()
        self._wake.clear()
