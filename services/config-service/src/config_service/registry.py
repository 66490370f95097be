"""
The desired hash in the connection registry, so that a gateway can answer an agent's first message with it.

A cache: written after commit, a lower generation never replaces a higher one. What could not be written is kept
and written once Redis answers. Between commit and write a process may die: so everything is announced after a
start, and what changed of late is announced again and again, whichever process changed it. A Redis that was
restarted or flushed is filled again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from config_service import metrics, target_store
from contracts import registry
from servicekit.cache import CacheError
from servicekit.errors import Unavailable
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import asyncpg
    from redis.asyncio import Redis

    from config_service.contents import Contents
    from servicekit.clock import Clock

log = structlog.get_logger()

CHUNK = 250
"""Agents per script: one or two milliseconds of a Redis that does nothing else meanwhile."""

PAGE = 5000
"""Agents read from the database at a time."""

LOOK_SECONDS = 5.0
RECENT_SECONDS = 300.0
"""A change is announced again for this long: longer than a transaction or a change of leader takes."""

MARKER = "fleet:v1:config-service:announced"

# ARGV: seconds to live, then hash and generation for each key.
_SCRIPT = f"""
for i, key in ipairs(KEYS) do
    local hash, generation = ARGV[2 * i], ARGV[2 * i + 1]
    local known = redis.call('HGET', key, '{registry.DESIRED_VERSION}')
    if not (known and tonumber(known) > tonumber(generation)) then
        redis.call('HSET', key, '{registry.DESIRED}', hash, '{registry.DESIRED_VERSION}', generation)
        redis.call('EXPIRE', key, ARGV[1])
    end
end
"""

Entry = tuple[str, bytes, bytes, int]
"""(tenant, uid, hash or empty, generation)."""


class RegistryDesk:
    """
    Takes entries and writes them; run() does the writing.

    Args:
        redis: The registry.

        pool: The service's pool, to announce everything again.

        contents: A gateway that reads a hash fetches its content: it is put there first.

        clock: For waiting.

        give_way: Waits while more urgent things are done.
    """

    def __init__(
        self,
        redis: Redis,
        pool: asyncpg.Pool,
        contents: Contents,
        clock: Clock,
        give_way: Callable[[], Awaitable[None]],
    ) -> None:
        self._redis = redis
        self._pool = pool
        self._contents = contents
        self._clock = clock
        self._give_way = give_way
        self._script = redis.register_script(_SCRIPT)
        self._waiting: dict[tuple[str, bytes], Entry] = {}
        self._wake = asyncio.Event()
        self._is_behind = True
        self._fills = False
        self._announced: dict[tuple[str, bytes], int] = {}

    def put(self, entries: Iterable[Entry]) -> None:
        """Queue entries; the newest generation of an agent counts."""
        for entry in entries:
            key = entry[0], entry[1]
            if key not in self._waiting or self._waiting[key][3] <= entry[3]:
                self._waiting[key] = entry
        if self._waiting:
            self._wake.set()

    async def run(self) -> None:
        """Write whatever waits, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            entries, self._waiting = list(self._waiting.values()), {}
            try:
                await self.write(entries)
            except CacheError as error:
                await self._keep(entries, error)
            except Exception as error:
                # The database, which knows the contents, or a fault of ours.
                if not is_transient(error):
                    raise
                await self._keep(entries, error)

    async def write(self, entries: Iterable[Entry]) -> None:
        """
        Write entries.

        Raises:
            RedisError, OSError: Redis does not answer; some may be written.
        """
        waiting = list(entries)
        for tenant_id, config_hash in {(entry[0], entry[2]) for entry in waiting if entry[2]}:
            await self._store(tenant_id, config_hash)
        for start in range(0, len(waiting), CHUNK):
            await self._give_way()
            chunk = waiting[start : start + CHUNK]
            await self._script(
                keys=[registry.entry_key(tenant_id, uid) for tenant_id, uid, _, _ in chunk],
                args=[registry.ENTRY_TTL_SECONDS, *(word for entry in chunk for word in entry[2:])],
            )
            metrics.REGISTRY_WRITES.labels("written").inc(len(chunk))
            if self._fills:
                self._announced.update({(entry[0], entry[1]): entry[3] for entry in chunk})

    async def keep_filled(self) -> None:
        """Announce what the registry may lack, for ever: everything at first, for nobody knows what was missed."""
        self._is_behind = self._fills = True
        try:
            while True:
                try:
                    await self.fill()
                except CacheError as error:
                    self._is_behind = True
                    log.debug("registry_away", error=str(error) or type(error).__name__)
                except Exception as error:
                    if not is_transient(error):
                        raise
                    self._is_behind = True
                await self._clock.sleep(LOOK_SECONDS)
        finally:
            self._fills = False
            self._announced = {}

    async def fill(self) -> None:
        """
        Announce everything when Redis was restarted, flushed or missed something, else what changed of late.

        The marker holds the server's run id: gone after a flush, another after a restart, whatever a snapshot
        brought back.

        Raises:
            RedisError, OSError: Redis does not answer; some may be written.
        """
        run_id = (await self._redis.info("server"))["run_id"].encode()
        if self._is_behind or await self._redis.get(MARKER) != run_id:
            count = await self._announce(0.0)
            self._is_behind = False
            await self._redis.set(MARKER, run_id)
            log.info("registry_filled", agents=count)
        else:
            await self._announce(RECENT_SECONDS)

    async def _announce(self, recent_seconds: float) -> int:
        """Write what changed in so many seconds and was not written by us yet; 0 = everything."""
        known = self._announced if recent_seconds else {}
        seen: dict[tuple[str, bytes], int] = {}
        after: tuple[str, bytes] = ("", b"")
        count = 0
        while entries := await target_store.to_announce(self._pool, after, PAGE, recent_seconds=recent_seconds):
            news = [entry for entry in entries if known.get((entry[0], entry[1])) != entry[3]]
            await self.write(news)
            count += len(news)
            if recent_seconds:
                seen.update({(entry[0], entry[1]): entry[3] for entry in entries})
            after = entries[-1][0], entries[-1][1]
        self._announced = seen
        return count

    async def _keep(self, entries: Iterable[Entry], error: Exception) -> None:
        """Put back what could not be written, and wait: this process may not be the one that fills."""
        kept = list(entries)
        metrics.REGISTRY_WRITES.labels("failed").inc(len(kept))
        log.warning("registry_not_written", agents=len(kept), error=str(error) or type(error).__name__)
        self.put(kept)
        await self._clock.sleep(LOOK_SECONDS)

    async def _store(self, tenant_id: str, config_hash: bytes) -> None:
        try:
            await self._contents.store(tenant_id, config_hash)
        except Unavailable as error:
            # A gateway that misses it leaves the offer to us.
            log.info("content_not_stored", content_hash=config_hash.hex(), reason=error.public)
