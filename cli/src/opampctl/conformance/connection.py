"""
A TCP or TLS connection that keeps what it was sent.

Bytes are taken in as they come, whatever a check is doing meanwhile: a server that answers and then drops the
connection has answered all the same, and pings are met in time.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opampctl.conformance.target import Target


class Gone(Exception):
    """The server ended the connection."""


class Connection(asyncio.Protocol):
    """One connection; made by open_connection()."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False
        """Nothing more will come."""

        self.reset = False
        """It ended by a reset instead of an orderly end."""

        self.on_bytes: Callable[[], None] | None = None
        """Called whenever something came."""

        self._transport: asyncio.Transport | None = None
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self.received += data
        if self.on_bytes is not None:
            self.on_bytes()
        self._changed.set()

    def eof_received(self) -> bool:
        """Close our half as well."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.ended = True
        self.reset = exc is not None
        self._changed.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Let whoever writes wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let whoever writes go on."""
        self._writable.set()

    def write(self, data: bytes) -> None:
        """
        Hand bytes to the system.

        Raises:
            Gone: The connection has ended.
        """
        if self.ended or self._transport is None or self._transport.is_closing():
            raise Gone("the connection has ended")
        self._transport.write(data)

    async def write_all(self, pieces: Iterable[bytes]) -> None:
        """Write much, no faster than it is taken; stops quietly when the other side ends it."""
        for piece in pieces:
            await self._writable.wait()
            if self.ended:
                return
            with contextlib.suppress(Gone):
                self.write(piece)
            await asyncio.sleep(0)

    async def changed(self, seconds: float) -> bool:
        """Wait until something came or it ended; False when neither happened in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def end(self, seconds: float) -> bool:
        """Wait for the end; False when it did not come in time."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.ended:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await self.changed(left):
                return self.ended
        return True

    def abort(self) -> None:
        """Drop it without a word."""
        if self._transport is not None:
            self._transport.abort()


async def open_connection(target: Target, seconds: float) -> Connection:
    """
    Connect.

    Raises:
        Gone: Nobody answers, or the certificate is not trusted.
    """
    loop = asyncio.get_running_loop()
    tls = target.tls()
    try:
        async with asyncio.timeout(seconds):
            _, connection = await loop.create_connection(
                Connection, target.host, target.port, ssl=tls, server_hostname=target.host if tls else None
            )
    except TimeoutError as error:
        raise Gone(f"no connection to {target.host}:{target.port} within {seconds:g} s") from error
    except OSError as error:
        raise Gone(f"no connection to {target.host}:{target.port}: {error.strerror or error}") from error
    return connection
