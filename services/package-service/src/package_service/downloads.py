"""
Handing files out, verified on the way.

The last chunk of a whole file leaves only after the hash of all of it was found right: whoever gets every byte
the answer announced got what was published. Of a range only the length can be checked; its reader has the hash.

A download never says damage: what the store gives one reader at one moment proves nothing about what it has. The
content is taken out of offers, and whoever vets reads it.
"""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from package_service import file_store, metrics, package_changes
from package_service.blob_store import blob_key
from package_service.errors import BlobDamaged, BlobDoubted, FileNotSigned, PackageNotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    import asyncpg

    from package_service.blob_store import BlobStore
    from package_service.file_store import File
    from package_service.signing.signatures import Signatures

log = structlog.get_logger()


class Downloads:
    """
    Gives files out.

    Args:
        pool: The service's database.

        store: Where bytes are.

        signatures: Knows whether a file is signed as it has to be.
    """

    def __init__(self, pool: asyncpg.Pool, store: BlobStore, signatures: Signatures) -> None:
        self._pool = pool
        self._store = store
        self._signatures = signatures

    async def find(self, tenant_id: str, file_id: UUID, *, for_agent: bool) -> File:
        """
        Find a file that may be handed out; agents get only active ones, signed as it is required.

        Looked at anew each time: an offer, and its ticket, may be older than the revocation of a key.

        Raises:
            PackageNotFound: There is none, or not for them.

            BlobDamaged: It is known not to be what was published.

            FileNotSigned: An agent asks, and no key that counts has signed it.
        """
        file = await file_store.one(self._pool, tenant_id, file_id)
        if file is None or (for_agent and not file.active):
            raise PackageNotFound
        if file.damaged_at is not None:
            raise BlobDamaged
        if for_agent and not await self._signatures.suffice(file):
            raise FileNotSigned
        return file

    @asynccontextmanager
    async def open(self, file: File, start: int, end: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """
        Open bytes of a file for reading, from *start* up to but without *end*.

        Raises:
            BlobDoubted: Here, or while reading, when the store does not give the published bytes.

            StoreAway: Here, or while reading.
        """
        try:
            async with self._store.get(blob_key(file.sha256), start, end) as chunks:
                whole = start == 0 and end == file.size
                yield _verified(chunks, file) if whole else chunks
        except BlobDoubted:
            await self.doubt(file)
            raise

    async def address(self, file: File, seconds: int) -> str:
        """Write an address of the store that gives the file without our help."""
        return await self._store.presign(blob_key(file.sha256), seconds, file.label)

    async def count(self, file: File) -> None:
        """Count one whole download."""
        await file_store.count_download(self._pool, file)

    async def doubt(self, file: File) -> None:
        """Let a content be offered to nobody until it was read again."""
        async with self._pool.acquire() as connection, connection.transaction():
            await file_store.lock_blob(connection, file.sha256)
            await package_changes.note(connection, await file_store.doubt(connection, file.sha256))
        log.warning("package_doubted", name=file.name, version=file.version, sha256=file.sha256.hex())


async def _verified(chunks: AsyncIterator[bytes], file: File) -> AsyncIterator[bytes]:
    digest, held = hashlib.sha256(), b""
    async for chunk in chunks:
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.digest() != file.sha256:
        raise BlobDoubted
    if held:
        yield held


def outcome_of(file: File, start: int, end: int) -> str:
    """Name a download that went well, for the metric."""
    return "whole" if (start, end) == (0, file.size) else "range"


def count_outcome(who: str, outcome: str, sent: int) -> None:
    """Count how a download ended and what it carried."""
    metrics.DOWNLOADS.labels(who, outcome).inc()
    metrics.DOWNLOADED_BYTES.inc(sent)
