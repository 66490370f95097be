"""Files of packages, really downloaded: by GET with the headers offered, hash and signature checked."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING

import aiohttp
from cryptography.exceptions import InvalidSignature

from opampctl.simulate.backoff import delay_seconds, parse_retry_after

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from opamp.v1 import opamp_pb2 as opamp
    from opampctl.simulate.statistics import Statistics

AT_ONCE = 32
"""Downloads under way at once in one process."""

ATTEMPTS = 8
"""Attempts at a file while the server is busy or away."""

CHUNK_BYTES = 256 * 1024
STALL_SECONDS = 30.0
_OK = 200
_BUSY = frozenset((429, 502, 503, 504))


class FetchError(Exception):
    """A file cannot be had; the text is for the package's error_message, the same for the same cause."""


class _BusyError(Exception):
    """The server may be asked again."""

    def __init__(self, text: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class Fetcher:
    """
    Downloads for the agents of one process.

    Args:
        session: Open; see `open_file_session`.

        share: Agents share what one of them has downloaded and verified.

        key: Files without its signature are refused; None = signatures are not looked at.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        statistics: Statistics,
        rng: random.Random,
        *,
        share: bool = True,
        key: Ed25519PublicKey | None = None,
    ) -> None:
        self._session = session
        self._statistics = statistics
        self._rng = rng
        self._share = share
        self._key = key
        self._verified: set[bytes] = set()
        self._under_way: dict[bytes, asyncio.Lock] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, file: opamp.DownloadableFile, progress: Callable[[float, float], None]) -> None:
        """
        Download a file and check it.

        Args:
            file: As offered.

            progress: Told percent and bytes per second as often as something arrives.

        Raises:
            FetchError: It cannot be had, or is not what was offered.
        """
        if self._key is not None:
            check_signature(self._key, file)
        if not self._share:
            async with self._room:
                await self._persist(file, progress)
            return
        async with self._under_way.setdefault(file.content_hash, asyncio.Lock()):
            if file.content_hash not in self._verified:
                async with self._room:
                    await self._persist(file, progress)
                self._verified.add(file.content_hash)

    async def _persist(self, file: opamp.DownloadableFile, progress: Callable[[float, float], None]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._download(file, progress)
            except _BusyError as error:
                if attempt == ATTEMPTS:
                    raise FetchError(f"could not download: {error}") from error
                await asyncio.sleep(delay_seconds(attempt, self._rng, error.retry_after_seconds))
            else:
                return

    async def _download(self, file: opamp.DownloadableFile, progress: Callable[[float, float], None]) -> None:
        headers = [(header.key, header.value) for header in file.headers.headers]
        digest, size, began = hashlib.sha256(), 0, time.monotonic()
        try:
            async with self._session.get(file.download_url, headers=headers) as response:
                if response.status in _BUSY:
                    after = parse_retry_after(response.headers.get("Retry-After"), time.time())
                    raise _BusyError(f"HTTP {response.status}", after)
                if response.status != _OK:
                    raise FetchError(f"could not download: HTTP {response.status}")
                whole = response.content_length or 0
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    digest.update(chunk)
                    size += len(chunk)
                    elapsed = max(time.monotonic() - began, 1e-6)
                    progress(100.0 * size / whole if whole else 0.0, size / elapsed)
        except aiohttp.InvalidURL as error:
            raise FetchError("could not download: the address is none") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _BusyError(type(error).__name__) from error
        self._statistics.package_downloads += 1
        self._statistics.package_bytes += size
        if digest.digest() != file.content_hash:
            raise FetchError("the file is not what was offered: its SHA-256 differs from content_hash")


def open_file_session(tls: ssl.SSLContext) -> aiohttp.ClientSession:
    """Open a session for downloads; a stalled one ends, a long one may take its time."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=STALL_SECONDS, sock_read=STALL_SECONDS)
    return aiohttp.ClientSession(
        headers={"User-Agent": "opampctl-simulate"},
        connector=aiohttp.TCPConnector(limit=AT_ONCE, ssl=tls),
        timeout=timeout,
        auto_decompress=False,
    )


def check_signature(key: Ed25519PublicKey, file: opamp.DownloadableFile) -> None:
    """
    Check the signature of a file's SHA-256; whether the file has it is checked when it is there.

    Raises:
        FetchError: There is none, or it is not by this key.
    """
    if not file.signature:
        raise FetchError("the file has no signature")
    try:
        key.verify(file.signature, file.content_hash)
    except InvalidSignature as error:
        raise FetchError("the signature of the file is not by the key we trust") from error
