"""
What we need of an object store, and nothing more: the port.

Keys are `sha256/<hex>` for published blobs, immutable, and `upload/<id>` while bytes arrive. No key is ever made
of a name somebody chose. Every call may raise StoreAway; repeating it is safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

MIN_PART_BYTES = 5 * 1024 * 1024
"""Every part but the last has at least so many bytes; S3 says so."""

BLOBS = "sha256/"
UPLOADS = "upload/"


@dataclass(frozen=True)
class Part:
    """One stored part of an upload."""

    number: int
    """From 1."""

    size: int
    etag: str


@dataclass(frozen=True)
class BlobInfo:
    """One object."""

    key: str
    size: int


def blob_key(sha256: bytes) -> str:
    """Name the blob with this content."""
    return f"{BLOBS}{sha256.hex()}"


def upload_key(upload_id: UUID) -> str:
    """Name what arrives in an upload."""
    return f"{UPLOADS}{upload_id}"


class BlobStore(Protocol):
    """An object store."""

    async def begin(self, key: str) -> str:
        """Begin to store an object in parts; returns the store's id of that. Nothing is visible yet."""
        ...

    async def put_part(self, key: str, multipart_id: str, number: int, data: bytes) -> str:
        """Store one part, replacing it if it is there; returns its tag. UploadLost when the id is not known."""
        ...

    async def complete(self, key: str, multipart_id: str, parts: Sequence[Part]) -> None:
        """Make the object of its parts, in this order. UploadLost when the id or a part is not known."""
        ...

    async def abort(self, key: str) -> None:
        """Forget whatever was begun under a key, and the object itself; what is not there is forgotten already."""
        ...

    def get(
        self, key: str, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """
        Read an object, or its bytes from *start* up to but without *end*, in chunks of at most 256 KiB.

        Raises:
            BlobDoubted: It is not there, or not as long as asked for.
        """
        ...

    async def head(self, key: str) -> int | None:
        """Tell the size of an object; None when there is none."""
        ...

    async def mark(self, key: str) -> str | None:
        """
        Tell what the store says of an object without reading it; None when there is none.

        Another text means it was written since; the same text means that nobody has noticed it being written.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is removed already."""
        ...

    async def copy(self, source: str, target: str) -> None:
        """Make *target* equal to *source*, inside the store."""
        ...

    def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """List objects whose keys begin so."""
        ...

    async def presign(self, key: str, seconds: int, filename: str) -> str:
        """Write an address that reads the object without our help, for so many seconds."""
        ...

    async def ping(self) -> None:
        """Raise unless the store answers and the bucket is there."""
        ...
