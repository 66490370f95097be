"""
What agents receive, by hash: from the database, kept in memory, put where gateways can fetch it.

The object store is filled from here and may lose everything: whoever misses a content says so, and it is put
there again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from config_service import configuration_store, effective
from config_service.document import remote_config
from contracts.subjects import CONTENT_BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from opamp.v1 import opamp_pb2
    from servicekit.bus import Bus
    from servicekit.postgres import Connection

V = TypeVar("V")

MAX_BYTES = 64 * 1024 * 1024
MAX_VERDICTS = 20_000
MAX_STORED = 50_000


Content = tuple[str, bytes, str, str]
"""(tenant, hash, content type, body)."""


class _Recent(Generic[V]):
    """The newest entries, up to a weight."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._entries: OrderedDict[object, tuple[V, int]] = OrderedDict()

    def get(self, key: object) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: object, value: V, weight: int = 1) -> None:
        known = self._entries.pop(key, None)
        self._weight += weight - (known[1] if known else 0)
        self._entries[key] = (value, weight)
        while self._weight > self._limit and len(self._entries) > 1:
            _, (_, dropped) = self._entries.popitem(last=False)
            self._weight -= dropped

    def clear(self) -> None:
        self._entries.clear()
        self._weight = 0


class Contents:
    """
    Bodies by hash.

    Args:
        pool: The service's pool.

        bus: Where the object store is.
    """

    def __init__(self, pool: asyncpg.Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus
        self._bodies: _Recent[tuple[str, str]] = _Recent(MAX_BYTES)
        self._verdicts: _Recent[tuple[bool | None]] = _Recent(MAX_VERDICTS)
        self._stored: _Recent[bool] = _Recent(MAX_STORED)
        bus.on_reconnect(self._forget_stored)

    async def body(
        self, tenant_id: str, config_hash: bytes, connection: Connection | None = None
    ) -> tuple[str, str] | None:
        """Return (content type, body); None when no version ever had it."""
        key = (tenant_id, config_hash)
        known = self._bodies.get(key)
        if known is None:
            known = await configuration_store.content(connection or self._pool, tenant_id, config_hash)
            if known is not None:
                self._bodies.put(key, known, len(known[1]) + 100)
        return known

    def learn(self, contents: Iterable[Content]) -> None:
        """Keep contents that were just committed in memory."""
        for tenant_id, config_hash, content_type, body in contents:
            self._bodies.put((tenant_id, config_hash), (content_type, body), len(body) + 100)

    async def message(self, tenant_id: str, config_hash: bytes) -> bytes | None:
        """Return the serialised AgentRemoteConfig; None when no version ever had it."""
        body = await self.body(tenant_id, config_hash)
        return remote_config(*body) if body else None

    async def store(self, tenant_id: str, config_hash: bytes, *, again: bool = False) -> None:
        """
        Put a content where gateways fetch it; once is enough, unless *again*.

        Raises:
            Unavailable: The object store does not answer.
        """
        if self._stored.get(config_hash) and not again:
            return
        message = await self.message(tenant_id, config_hash)
        if message is not None:
            await self._bus.put_object(CONTENT_BUCKET, config_hash.hex(), message)
            self._stored.put(config_hash, value=True)

    async def holds(
        self, tenant_id: str, config_hash: bytes, reported: opamp_pb2.EffectiveConfig, connection: Connection
    ) -> bool | None:
        """Say whether an effective configuration contains a content; None when that cannot be told."""
        digest = hashlib.sha256(reported.SerializeToString(deterministic=True)).digest()
        key = (tenant_id, config_hash, digest)
        known = self._verdicts.get(key)
        if known is None:
            body = await self.body(tenant_id, config_hash, connection)
            # Up to some tenths of a second: others are served meanwhile.
            known = (await asyncio.to_thread(effective.holds, reported, *body) if body else None,)
            self._verdicts.put(key, known)
        return known[0]

    async def _forget_stored(self) -> None:
        self._stored.clear()
