"""
What agents receive: complete lists by their hash, with tickets for their files, put where gateways can fetch them.

The object store is filled from here and may lose everything: whoever misses a content says so, and it is put there
again. Tickets are the same text all day, so agents with equal lists share one content.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.subjects import CONTENT_BUCKET
from package_service.offering import packages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from servicekit.bus import Bus
    from servicekit.postgres import Connection

    Mint = Callable[[str, UUID, datetime], str]
    """(tenant, file, now) to the ticket that fetches it."""

MAX_BYTES = 32 * 1024 * 1024
MAX_STORED = 10_000

_ADD = """
INSERT INTO package_list (tenant_id, list_hash, body)
SELECT $1, n.list_hash, n.body FROM unnest($2::bytea[], $3::bytea[]) AS n (list_hash, body)
ON CONFLICT (tenant_id, list_hash) DO UPDATE SET created_at = now()
"""
_BODIES = "SELECT list_hash, body FROM package_list WHERE tenant_id = $1 AND list_hash = ANY ($2::bytea[])"
_OFFERABLE = """
SELECT file_id FROM package_file
WHERE tenant_id = $1 AND file_id = ANY ($2::uuid[]) AND active AND damaged_at IS NULL AND vetted_at IS NOT NULL
"""
# Younger ones may be about to be offered.
_PRUNE = """
DELETE FROM package_list l WHERE created_at < now() - interval '1 day'
  AND NOT EXISTS (SELECT FROM package_target t WHERE t.tenant_id = l.tenant_id AND t.desired_hash = l.list_hash)
"""


async def keep(connection: Connection, tenant_id: str, lists: Mapping[bytes, bytes]) -> None:
    """Write lists agents are to have: all_packages_hash to serialised list."""
    if lists:
        hashes = sorted(lists)
        await connection.execute(_ADD, tenant_id, hashes, [lists[list_hash] for list_hash in hashes])


async def prune(connection: Connection) -> None:
    """Forget lists no agent should have any more."""
    await connection.execute(_PRUNE)


class Contents:
    """
    Makes contents and hands them out.

    Args:
        bus: Where the object store is.

        mint: Writes tickets.
    """

    def __init__(self, bus: Bus, mint: Mint) -> None:
        self._bus = bus
        self._mint = mint
        self._made: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0
        self._stored: OrderedDict[bytes, None] = OrderedDict()
        bus.on_reconnect(self._forget_stored)

    async def make(
        self, connection: Connection, tenant_id: str, list_hashes: Iterable[bytes], now: datetime
    ) -> dict[bytes, bytes]:
        """
        Return for each list, which must be kept, the hash of what is sent today.

        A list that holds a file which may not be offered now is left out, whenever it was found out that agents
        should have it: files are damaged, and keys are revoked, while agents are away.
        """
        rows = await connection.fetch(_BODIES, tenant_id, sorted(set(list_hashes)))
        listed = {row["list_hash"]: packages.file_ids(row["body"]) for row in rows}
        asked = sorted(set().union(*listed.values()))
        offerable = {row["file_id"] for row in await connection.fetch(_OFFERABLE, tenant_id, asked)} if asked else set()
        made: dict[bytes, bytes] = {}
        for row in rows:
            if not listed[row["list_hash"]] <= offerable:
                continue
            content = packages.with_headers(
                row["body"], lambda file_id: f"Bearer {self._mint(tenant_id, UUID(file_id), now)}"
            )
            made[row["list_hash"]] = self._remember(content)
        return made

    def get(self, content_hash: bytes) -> bytes | None:
        """Return what was made; None when that is too long ago."""
        return self._made.get(content_hash)

    async def store(self, content_hash: bytes, *, again: bool = False) -> None:
        """
        Put a content where gateways fetch it; once is enough, unless *again*.

        Raises:
            Unavailable: The object store does not answer.
        """
        content = self._made.get(content_hash)
        if content is None or (content_hash in self._stored and not again):
            return
        await self._bus.put_object(CONTENT_BUCKET, content_hash.hex(), content)
        self._stored[content_hash] = None
        while len(self._stored) > MAX_STORED:
            self._stored.popitem(last=False)

    def _remember(self, content: bytes) -> bytes:
        content_hash = hashlib.sha256(content).digest()
        if content_hash in self._made:
            self._made.move_to_end(content_hash)
            return content_hash
        self._made[content_hash] = content
        self._bytes += len(content)
        while self._bytes > MAX_BYTES and len(self._made) > 1:
            _, dropped = self._made.popitem(last=False)
            self._bytes -= len(dropped)
        return content_hash

    async def _forget_stored(self) -> None:
        self._stored.clear()
