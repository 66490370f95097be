"""Contents by hash: a small cache of ready offers in front of the object store, each fetched once at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog

from opamp_gateway import metrics
from servicekit.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger()


class ContentShelf:
    """
    Keeps the contents used last.

    Args:
        fetch: Gets a content by hash from the store; None = not there. Raises ServiceError.

        max_bytes: How much may be kept.

        timeout_seconds: For one fetch.
    """

    def __init__(
        self,
        fetch: Callable[[bytes], Awaitable[bytes | None]],
        *,
        max_bytes: int,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._fetch = fetch
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0
        self._under_way: dict[bytes, asyncio.Future[bytes | None]] = {}

    def have(self, content_hash: bytes) -> bytes | None:
        """Return what is kept under *content_hash*."""
        content = self._kept.get(content_hash)
        if content is not None:
            self._kept.move_to_end(content_hash)
            metrics.CONTENT.labels("hit").inc()
        return content

    def keep(self, content_hash: bytes, content: bytes) -> None:
        """Keep a content; the ones unused longest make room."""
        if content_hash in self._kept or len(content) > self._max_bytes:
            return
        self._kept[content_hash] = content
        self._bytes += len(content)
        while self._bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped)

    async def get(self, content_hash: bytes) -> bytes | None:
        """
        Return a content, from here or from the store; None when it is not to be had now.

        Everybody who asks for the same hash meanwhile waits for the same fetch.
        """
        content = self.have(content_hash)
        if content is not None:
            return content
        under_way = self._under_way.get(content_hash)
        if under_way is not None:
            return await asyncio.shield(under_way)
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._under_way[content_hash] = future
        found: bytes | None = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                found = await self._fetch(content_hash)
            metrics.CONTENT.labels("missing" if found is None else "fetched").inc()
        except (ServiceError, TimeoutError) as error:
            metrics.CONTENT.labels("failed").inc()
            log.warning("content_not_fetched", content_hash=content_hash.hex(), error=str(error))
        finally:
            # Also when cancelled: whoever waits gets an answer.
            del self._under_way[content_hash]
            future.set_result(found)
        if found is not None:
            self.keep(content_hash, found)
        return found
