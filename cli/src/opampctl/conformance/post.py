"""HTTP/1.1 POST by hand: one connection, any headers, any body, and the answer's bytes."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from opampctl.conformance.connection import Gone, open_connection
from opampctl.conformance.head import Head, HeadError, read_head, write_head
from opampctl.conformance.heard import Heard, Transport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opampctl.conformance.connection import Connection
    from opampctl.conformance.evidence import Trace
    from opampctl.conformance.target import Target

MEDIA_TYPE = "application/x-protobuf"
MOST_UNPACKED = 80 * 1024 * 1024
_CHUNKED = "chunked"
_NO_BODY = frozenset({204, 304})


class Poster:
    """A keep-alive connection for requests, one after the other; made by open_poster()."""

    def __init__(self, connection: Connection, target: Target, trace: Trace) -> None:
        self._connection = connection
        self._target = target
        self._trace = trace

    async def post(
        self,
        body: bytes | Iterable[bytes],
        headers: Mapping[str, str],
        seconds: float,
        *,
        length: int | None = None,
        method: str = "POST",
        path: str | None = None,
    ) -> Heard:
        """
        Send one request and read its answer.

        Args:
            body: Bytes, or pieces of *length* bytes together, sent no faster than they are taken.

            headers: In addition to Host and Content-Length.

            seconds: How long the answer may take.

            length: Content-Length for a body in pieces.

            method: What to do.

            path: Where, if not at the target's path.

        Raises:
            Gone: No whole answer came.
        """
        whole = isinstance(body, bytes)
        size = len(body) if isinstance(body, bytes) else length or 0
        sent = {"Host": self._target.authority, "Content-Length": str(size), **headers}
        shown = ", ".join(f"{name}: {value}" for name, value in headers.items() if name.lower() in _SHOWN)
        at = self._target.path if path is None else path
        self._trace.sent(f"{method} {at} {shown}".rstrip(), body if isinstance(body, bytes) else b"")
        if not whole:
            self._trace.note(f"a body of {size} bytes")
        self._connection.write(write_head(f"{method} {at} HTTP/1.1", sent))
        await self._connection.write_all([body] if isinstance(body, bytes) else body)
        try:
            head, raw = await self._answer(seconds)
        except HeadError as error:
            raise Gone(str(error)) from error
        self._trace.received(f"HTTP {head.status}", raw)
        return Heard(Transport.HTTP, _unpacked(head, raw), status=head.status, headers=head.headers, packed=raw)

    @property
    def ended(self) -> bool:
        """Whether the server has ended the connection."""
        return self._connection.ended

    def drop(self) -> None:
        """Drop the connection."""
        self._connection.abort()

    async def _answer(self, seconds: float) -> tuple[Head, bytes]:
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            received = bytes(self._connection.received)
            if (found := read_head(received)) is not None:
                head, start = found
                body = _body(head, received[start:], ended=self._connection.ended)
                if body is not None:
                    self._connection.received.clear()
                    return head, body
            if self._connection.ended:
                raise Gone("the connection ended before the whole answer came")
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await self._connection.changed(left):
                raise Gone(f"no whole answer within {seconds:g} s")


_SHOWN = frozenset({"content-type", "content-encoding", "accept-encoding", "opamp-instance-uid"})


async def open_poster(target: Target, trace: Trace, seconds: float) -> Poster:
    """
    Connect.

    Raises:
        Gone: Nobody answers.
    """
    return Poster(await open_connection(target, seconds), target, trace)


def _body(head: Head, received: bytes, *, ended: bool) -> bytes | None:
    """Return the body; None while it is not complete."""
    if head.status in _NO_BODY:
        return b""
    if _CHUNKED in head.headers.get("transfer-encoding", "").lower():
        return _chunks(received)
    length = head.headers.get("content-length", "")
    if length.isdigit():
        return received[: int(length)] if len(received) >= int(length) else None
    return received if ended else None


def _chunks(received: bytes) -> bytes | None:
    found, at = bytearray(), 0
    while True:
        end = received.find(b"\r\n", at)
        if end < 0:
            return None
        try:
            size = int(received[at:end].split(b";")[0], 16)
        except ValueError as error:
            raise HeadError("a chunk without a size") from error
        if size == 0:
            return bytes(found) if received.find(b"\r\n", end + 2) >= 0 else None
        if len(received) < end + 2 + size + 2:
            return None
        found += received[end + 2 : end + 2 + size]
        at = end + 2 + size + 2


def _unpacked(head: Head, raw: bytes) -> bytes:
    """Unpack a gzipped body; one that does not unpack stays as it is, and will not read as a message."""
    if head.headers.get("content-encoding", "").strip().lower() != "gzip":
        return raw
    try:
        return zlib.decompressobj(wbits=31).decompress(raw, MOST_UNPACKED)
    except zlib.error:
        return raw
