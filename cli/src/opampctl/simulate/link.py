"""
One WebSocket connection as a client has it: the upgrade, frames in, frames out. A lean asyncio protocol.

About 2 KB per open connection: no stream objects, no task, no buffers while nothing is in flight.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from typing import TYPE_CHECKING, Protocol

from contracts.framing import HEADER, BadFrameError, strip_header
from opampctl.simulate import frames
from opampctl.simulate.backoff import parse_retry_after

if TYPE_CHECKING:
    from opampctl.simulate.options import Endpoint
    from opampctl.simulate.stage import Stage

_ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_HEAD_BYTES = 16 * 1024
_SWITCHING = 101


class RefusedError(Exception):
    """The server answered the upgrade with something other than 101."""

    def __init__(self, status: int, retry_after_seconds: float | None) -> None:
        super().__init__(f"the upgrade was refused with HTTP {status}")
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class Listener(Protocol):
    """Who is told what happens on a connection."""

    def on_message(self, body: bytes) -> None:
        """One ServerToAgent came, header removed."""

    def on_lost(self, reason: str) -> None:
        """The established connection is gone; told once."""

    def on_broken(self, what: str) -> None:
        """The server said something malformed."""


class Link(asyncio.Protocol):
    """One WebSocket connection: upgrade, frames in, frames out."""

    __slots__ = (
        "_closed",
        "_endpoint",
        "_head",
        "_headers",
        "_key",
        "_listener",
        "_opened",
        "_reader",
        "_stage",
        "_transport",
    )

    def __init__(
        self, stage: Stage, endpoint: Endpoint, listener: Listener, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._key = base64.b64encode(os.urandom(16))
        self._head = b""
        self._endpoint = endpoint
        self._headers = headers
        self._stage = stage
        self._listener: Listener | None = listener
        self._opened: asyncio.Future[None] | None = stage.loop.create_future()
        self._closed: asyncio.Future[None] | None = None
        self._reader: frames.FrameReader | None = None
        self._transport: asyncio.Transport | None = None

    async def opened(self) -> None:
        """
        Wait until the upgrade is accepted.

        Raises:
            RefusedError: The server said no.

            ConnectionError: It hung up, or does not speak WebSocket.
        """
        if self._opened is not None:
            await self._opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = transport  # type: ignore[assignment]  # create_connection makes a Transport
        self._send(_upgrade_request(self._endpoint, self._headers, self._key))

    def data_received(self, data: bytes) -> None:
        """Read the answer to the upgrade, then frames."""
        if self._reader is None:
            self._read_head(data)
            return
        try:
            for opcode, payload in self._reader.feed(data):
                self._on_frame(opcode, payload)
        except frames.ProtocolError as error:
            self._tell_broken("protocol_error")
            self._send(frames.encode_frame(frames.CLOSE, error.close_code.to_bytes(2), self._stage.new_mask()))
            self.abort("protocol error")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._transport = None
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(exc or ConnectionResetError("hung up during the upgrade"))
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        self._lost(type(exc).__name__ if exc else "closed")

    def send(self, body: bytes) -> None:
        """Send one AgentToServer; silently gone when the connection just broke."""
        self._send(frames.encode_message(HEADER + body, self._stage.new_mask))

    def abort(self, reason: str) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()
        self._lost(reason)

    def begin_silence(self) -> None:
        """Let the listener hear nothing of this connection any more."""
        self._listener = None

    def begin_close(self) -> None:
        """Send a Close frame; the listener hears nothing of this connection any more."""
        self._listener = None
        self._send(frames.encode_frame(frames.CLOSE, (1000).to_bytes(2), self._stage.new_mask()))

    async def closed(self, within_seconds: float) -> None:
        """Wait for the end of a connection that is being closed, then cut it."""
        if self._transport is None:
            return
        self._closed = self._stage.loop.create_future()
        try:
            async with asyncio.timeout(within_seconds):
                await self._closed
        except TimeoutError:
            self.abort("close timeout")

    def _read_head(self, data: bytes) -> None:
        self._head += data
        head, separator, rest = self._head.partition(b"\r\n\r\n")
        if not separator:
            if len(head) > _MAX_HEAD_BYTES:
                self._refuse(ConnectionError("an endless answer to the upgrade"))
            return
        status, headers = _parse_head(head)
        if status != _SWITCHING:
            self._refuse(RefusedError(status, parse_retry_after(headers.get("retry-after"), time.time())))
            return
        expected = base64.b64encode(hashlib.sha1(self._key + _ACCEPT_SUFFIX).digest())  # noqa: S324 - RFC 6455 says SHA-1
        if headers.get("sec-websocket-accept", "").encode() != expected:
            self._refuse(ConnectionError("the answer to the upgrade has a wrong Sec-WebSocket-Accept"))
            return
        self._head = self._key = b""
        self._reader = frames.FrameReader()
        opened, self._opened = self._opened, None
        if opened is not None and not opened.done():
            opened.set_result(None)
        if rest:
            self._stage.loop.call_soon(self.data_received, rest)

    def _refuse(self, error: Exception) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(error)
        self._listener = None
        if self._transport is not None:
            self._transport.abort()

    def _on_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.BINARY:
            try:
                body = strip_header(payload)
            except BadFrameError:
                self._tell_broken("malformed_frame")
                return
            if self._listener is not None:
                self._listener.on_message(body)
        elif opcode == frames.PING:
            self._send(frames.encode_frame(frames.PONG, payload, self._stage.new_mask()))
        elif opcode == frames.CLOSE:
            self._send(frames.encode_frame(frames.CLOSE, payload[:2], self._stage.new_mask()))
            if self._transport is not None:
                self._transport.close()
            code = int.from_bytes(payload[:2]) if payload else 1005
            self._lost(f"close_{code}")

    def _tell_broken(self, what: str) -> None:
        if self._listener is not None:
            self._listener.on_broken(what)

    def _lost(self, reason: str) -> None:
        listener, self._listener = self._listener, None
        if listener is not None and self._opened is None:
            listener.on_lost(reason)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _upgrade_request(endpoint: Endpoint, headers: tuple[tuple[str, str], ...], key: bytes) -> bytes:
    lines = [
        f"GET {endpoint.path} HTTP/1.1",
        f"Host: {endpoint.host_header}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
        "User-Agent: opampctl-simulate",
    ]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    status = int(words[1]) if len(words) > 1 and words[0].startswith("HTTP/1.") and words[1].isdigit() else 0
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return status, headers
