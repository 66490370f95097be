"""RFC 6455 frames as a client writes and reads them: bytes in, messages out. No I/O."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from websockets.speedups import apply_mask

if TYPE_CHECKING:
    from collections.abc import Callable

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

FRAGMENT_BYTES = 4096
"""Where opamp-go (gorilla) cuts a message into frames."""

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The limit OpAMP names for one message."""

_FINAL = 0x80
_MASKED = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127
_SMALL = 125
_MEDIUM = 0xFFFF
_HEAD_BYTES = 2


class ProtocolError(Exception):
    """The server broke RFC 6455; the connection cannot go on."""

    def __init__(self, message: str, close_code: int = 1002) -> None:
        super().__init__(message)
        self.close_code = close_code


def encode_frame(opcode: int, payload: bytes, mask: bytes, *, final: bool = True) -> bytes:
    """Write one masked frame; *mask* is 4 bytes."""
    head = opcode | (_FINAL if final else 0)
    length = len(payload)
    if length <= _SMALL:
        header = bytes((head, _MASKED | length))
    elif length <= _MEDIUM:
        header = struct.pack("!BBH", head, _MASKED | _LENGTH_16, length)
    else:
        header = struct.pack("!BBQ", head, _MASKED | _LENGTH_64, length)
    return header + mask + apply_mask(payload, mask)


def encode_message(payload: bytes, new_mask: Callable[[], bytes], fragment_bytes: int = FRAGMENT_BYTES) -> bytes:
    """Write one binary message, cut into frames of *fragment_bytes* as real agents do; 0 = never cut."""
    if not fragment_bytes or len(payload) <= fragment_bytes:
        return encode_frame(BINARY, payload, new_mask())
    frames = []
    for start in range(0, len(payload), fragment_bytes):
        piece = payload[start : start + fragment_bytes]
        opcode = BINARY if start == 0 else CONTINUATION
        frames.append(encode_frame(opcode, piece, new_mask(), final=start + fragment_bytes >= len(payload)))
    return b"".join(frames)


class FrameReader:
    """Joins the bytes of one connection into whole messages and control frames."""

    __slots__ = ("_buffer", "_fragments", "_fragments_bytes", "_limit")

    def __init__(self, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._buffer = b""
        self._fragments: list[bytes] | None = None
        self._fragments_bytes = 0
        self._limit = limit

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """
        Take bytes as they came and return what they complete: (BINARY, message) or (control opcode, payload).

        Raises:
            ProtocolError: Reserved bits, a masked frame, a text message, a broken or oversized sequence.
        """
        if self._buffer:
            data = self._buffer + data
        found: list[tuple[int, bytes]] = []
        position, end = 0, len(data)
        while end - position >= _HEAD_BYTES:
            first, second = data[position], data[position + 1]
            if second & _MASKED:
                message = "a server must not mask its frames"
                raise ProtocolError(message)
            length, start = second, position + _HEAD_BYTES
            if length >= _LENGTH_16:
                start += 2 if length == _LENGTH_16 else 8
                if end < start:
                    break
                length = int.from_bytes(data[position + _HEAD_BYTES : start])
            if length + self._fragments_bytes > self._limit:
                message = f"a message of more than {self._limit} bytes"
                raise ProtocolError(message, close_code=1009)
            if end < start + length:
                break
            position = start + length
            complete = self._frame(first, data[start:position])
            if complete is not None:
                found.append(complete)
        self._buffer = data[position:] if position < end else b""
        return found

    def _frame(self, first: int, payload: bytes) -> tuple[int, bytes] | None:
        opcode, final = first & 0x0F, first & _FINAL
        if first & 0x70:
            message = "reserved bits are set although no extension was agreed"
            raise ProtocolError(message)
        if opcode >= CLOSE:
            if not final or len(payload) > _SMALL or opcode > PONG:
                message = "a malformed control frame"
                raise ProtocolError(message)
            return opcode, payload
        if opcode == BINARY and self._fragments is None:
            if final:
                return BINARY, payload
            self._fragments, self._fragments_bytes = [payload], len(payload)
            return None
        if opcode == CONTINUATION and self._fragments is not None:
            self._fragments.append(payload)
            self._fragments_bytes += len(payload)
            if not final:
                return None
            whole = b"".join(self._fragments)
            self._fragments, self._fragments_bytes = None, 0
            return BINARY, whole
        message = f"an unexpected frame with opcode {opcode}"
        raise ProtocolError(message, close_code=1003 if opcode == TEXT else 1002)
