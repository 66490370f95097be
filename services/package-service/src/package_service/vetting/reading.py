"""
Reading a stored content whole, to see whether it is what was published; chunk by chunk, never held.

Damage is said only when the store gave all bytes it announced, twice, under one and the same mark, and they were
others: a store that is away, breaks off, or is written to meanwhile has said nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from package_service.blob_store import blob_key
from package_service.errors import BlobDoubted

if TYPE_CHECKING:
    from package_service.blob_store import BlobStore

READS_BEFORE_DAMAGE = 2


class Finding(Enum):
    """What reading found."""

    RIGHT = "right"
    DAMAGED = "damaged"
    MISSING = "missing"
    """There is no object: perhaps the store is not the one we know, so this is no damage."""

    UNSETTLED = "unsettled"
    """It was written while we read, or could not be read though it is there; look again."""


@dataclass(frozen=True)
class Reading:
    """A finding, and the mark it is about."""

    finding: Finding
    mark: str = ""


async def read(store: BlobStore, sha256: bytes, size: int) -> Reading:
    """
    Read a content.

    Args:
        store: Where it is.

        sha256: What it must hash to.

        size: What it must measure.

    Raises:
        StoreAway: The store does not answer, or broke off.
    """
    key = blob_key(sha256)
    before = await store.mark(key)
    if before is None:
        return Reading(Finding.MISSING)
    for _ in range(READS_BEFORE_DAMAGE):
        try:
            right = await _is_right(store, key, sha256, size)
        except BlobDoubted:
            # What the port says when the store refuses to give an object: no byte was seen.
            return Reading(Finding.UNSETTLED)
        if await store.mark(key) != before:
            return Reading(Finding.UNSETTLED)
        if right:
            return Reading(Finding.RIGHT, before)
    return Reading(Finding.DAMAGED, before)


async def _is_right(store: BlobStore, key: str, sha256: bytes, size: int) -> bool:
    digest, seen = hashlib.sha256(), 0
    async with store.get(key) as chunks:
        async for chunk in chunks:
            seen += len(chunk)
            if seen > size:
                return False
            digest.update(chunk)
    return seen == size and digest.digest() == sha256
