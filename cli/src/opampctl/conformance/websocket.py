"""
A WebSocket client by hand: says anything, well formed or not, and shows every byte.

Messages are read as they come in; pings are answered at once, so that a server does not take a waiting check
for dead.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opampctl.conformance import frames
from opampctl.conformance.connection import Gone, open_connection
from opampctl.conformance.head import Head, HeadError, read_head, write_head
from opampctl.conformance.heard import Heard, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opampctl.conformance.connection import Connection
    from opampctl.conformance.evidence import Trace
    from opampctl.conformance.target import Target

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCHING = 101
HEADER = b"\x00"


class NotUpgraded(Exception):
    """The server answered the handshake with something else than 101."""

    def __init__(self, head: Head, body: bytes) -> None:
        super().__init__(f"the upgrade was answered {head.status}")
        self.head = head
        self.body = body


@dataclass(frozen=True)
class Handshake:
    """How a WebSocket is asked for."""

    headers: Mapping[str, str]
    extensions: str = ""


class WebSocket:
    """One open WebSocket; made by open_websocket()."""

    def __init__(self, connection: Connection, trace: Trace, witness: Callable[[Heard], None]) -> None:
        self._connection = connection
        self._trace = trace
        self._witness = witness
        self._reader = frames.FrameReader()
        self._pieces: list[bytes] = []
        self._opcode = frames.BINARY
        self._packed = False
        self._waiting: deque[Heard] = deque()
        self.head = Head(SWITCHING, {})
        """The server's side of the handshake."""

        self.expected_accept = ""
        self.closed_with: int | None = None
        """Code of the server's Close frame; 0 when it had none; None when no Close frame came."""

        self.fault = ""
        """How the server broke RFC 6455; empty when it did not."""

        self.pongs: list[bytes] = []
        self.deaf = False
        """Leave pings unanswered, as a half-open connection does."""

        connection.on_bytes = self._take

    @property
    def ended(self) -> bool:
        """Whether nothing more will come: a Close frame or the end of the connection."""
        return self.closed_with is not None or self._connection.ended or bool(self.fault)

    @property
    def packs(self) -> bool:
        """Whether permessage-deflate was negotiated."""
        return "permessage-deflate" in self.head.headers.get("sec-websocket-extensions", "")

    def begin(self, head: Head) -> None:
        """Take the server's side of the handshake, and read what came together with it."""
        self.head = head
        self._reader.may_pack = self.packs
        self._take()

    def send(self, data: bytes, *, header: bytes = HEADER, what: str = "binary message") -> None:
        """
        Send one binary message in one frame.

        Raises:
            Gone: The connection has ended.
        """
        self.send_raw(frames.frame(frames.BINARY, header + data), what, header + data)

    def send_raw(self, raw: bytes, what: str, shown: bytes | None = None) -> None:
        """Send any bytes; *shown* is what the evidence shows of them."""
        self._trace.sent(what, raw if shown is None else shown)
        self._connection.write(raw)

    async def send_large(self, size: int, data: bytes, filling: bytes, what: str) -> None:
        """Send one binary message of *size* bytes: *data*, then *filling* as often as needed; ends when refused."""
        self._trace.sent(f"{what}, {size} bytes, beginning", data)
        left = size - len(data)

        def pieces() -> list[bytes]:
            whole, rest = divmod(left, len(filling))
            return [filling] * whole + [filling[:rest]]

        self._connection.write(frames.head(frames.BINARY, size) + frames.NO_MASK + data)
        await self._connection.write_all(pieces())

    async def next(self, seconds: float) -> Heard | None:
        """Return the next message; None when none came in time or the server has ended it."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self._waiting:
            left = deadline - asyncio.get_running_loop().time()
            if self.ended or left <= 0 or not await self._connection.changed(left):
                return self._waiting.popleft() if self._waiting else None
        return self._waiting.popleft()

    async def ending(self, seconds: float) -> bool:
        """Wait until the server has ended it, by Close frame or by dropping the connection."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.ended:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await self._connection.changed(left):
                return self.ended
        return True

    async def close(self, seconds: float, code: int = 1000) -> bool:
        """Say goodbye as RFC 6455 wants it; True when the server closed the connection in time."""
        if not self._connection.ended:
            self.send_raw(frames.frame(frames.CLOSE, frames.close_payload(code)), "close frame")
        return await self._connection.end(seconds)

    def drop(self) -> None:
        """Drop the connection without a word."""
        self._connection.abort()

    def _take(self) -> None:
        data = bytes(self._connection.received)
        self._connection.received.clear()
        if self.fault or not data:
            return
        try:
            found = self._reader.feed(data)
        except frames.FrameError as error:
            self.fault = str(error)
            self._trace.received("bytes that are no frame", data)
            return
        for each in found:
            self._frame(each)

    def _frame(self, each: frames.Frame) -> None:
        if each.opcode == frames.PING:
            if not self._connection.ended and not self.deaf:
                self._connection.write(frames.frame(frames.PONG, each.payload))
        elif each.opcode == frames.PONG:
            self.pongs.append(each.payload)
        elif each.opcode == frames.CLOSE:
            self.closed_with = int.from_bytes(each.payload[:2])
            self._trace.received("close frame", each.payload)
        elif each.opcode in (frames.TEXT, frames.BINARY, frames.CONTINUATION):
            if each.opcode != frames.CONTINUATION:
                self._opcode, self._packed = each.opcode, each.packed
            self._pieces.append(each.payload)
            if each.final:
                whole = b"".join(self._pieces)
                self._pieces.clear()
                self._message(frames.unpacked(whole) if self._packed else whole)
        else:
            self.fault = f"a frame with opcode {each.opcode}"

    def _message(self, payload: bytes) -> None:
        text = self._opcode == frames.TEXT
        self._trace.received("text message" if text else "binary message", payload)
        heard = Heard(Transport.WEBSOCKET, payload, text=text)
        self._waiting.append(heard)
        self._witness(heard)


async def open_websocket(
    target: Target, handshake: Handshake, trace: Trace, witness: Callable[[Heard], None], seconds: float
) -> WebSocket:
    """
    Connect and upgrade.

    Raises:
        Gone: No connection, or no answer to the handshake.

        NotUpgraded: The server refused.
    """
    connection = await open_connection(target, seconds)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    headers = {
        "Host": target.authority,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        **({"Sec-WebSocket-Extensions": handshake.extensions} if handshake.extensions else {}),
        **handshake.headers,
    }
    trace.sent(f"GET {target.path} upgrade to WebSocket")
    try:
        connection.write(write_head(f"GET {target.path} HTTP/1.1", headers))
        head, body = await _answer(connection, seconds)
    except (Gone, HeadError):
        connection.abort()
        raise
    trace.received(f"HTTP {head.status}")
    if head.status != SWITCHING:
        connection.abort()
        raise NotUpgraded(head, body)
    socket = WebSocket(connection, trace, witness)
    digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
    socket.expected_accept = base64.b64encode(digest).decode()
    socket.begin(head)
    return socket


async def _answer(connection: Connection, seconds: float) -> tuple[Head, bytes]:
    deadline = asyncio.get_running_loop().time() + seconds
    while (found := read_head(bytes(connection.received))) is None:
        left = deadline - asyncio.get_running_loop().time()
        if connection.ended or left <= 0 or not await connection.changed(left):
            if read_head(bytes(connection.received)) is None:
                raise Gone("the handshake got no answer")
            continue
    head, length = found
    del connection.received[:length]
    return head, bytes(connection.received)
