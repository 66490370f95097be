"""RFC 6455 frames by hand: any frame a check wants to send, and a strict reader of what a server sends."""

from __future__ import annotations

import secrets
import struct
import zlib
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NO_MASK = b"\x00\x00\x00\x00"
"""Masking with zeros leaves the bytes as they are: legal, and cheap for large messages."""

PACKED = 0x40
"""The reserved bit of a message packed by permessage-deflate."""

_FINAL = 0x80
_RESERVED = 0x70
_TAIL = b"\x00\x00\xff\xff"
_MASKED = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127
_SMALL = 125
_MEDIUM = 0xFFFF
_CONTROL = 0x8


class FrameError(Exception):
    """The server broke RFC 6455."""


@dataclass(frozen=True)
class Frame:
    """One frame as it came."""

    opcode: int
    payload: bytes
    final: bool
    packed: bool = False
    """The message that begins here is packed."""


def head(opcode: int, length: int, *, final: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """Write the head of a frame up to, and without, the masking key."""
    first = opcode | (_FINAL if final else 0) | reserved
    bit = _MASKED if masked else 0
    if length <= _SMALL:
        return bytes((first, bit | length))
    if length <= _MEDIUM:
        return struct.pack("!BBH", first, bit | _LENGTH_16, length)
    return struct.pack("!BBQ", first, bit | _LENGTH_64, length)


def frame(opcode: int, payload: bytes, *, final: bool = True, mask: bytes | None = None, reserved: int = 0) -> bytes:
    """Write a masked frame."""
    key = secrets.token_bytes(4) if mask is None else mask
    return head(opcode, len(payload), final=final, reserved=reserved) + key + masked(payload, key)


def unmasked_frame(opcode: int, payload: bytes) -> bytes:
    """Write a frame no client may send."""
    return head(opcode, len(payload), masked=False) + payload


def close_payload(code: int, reason: str = "") -> bytes:
    """Write what a Close frame carries."""
    return struct.pack("!H", code) + reason.encode()


def masked(payload: bytes, key: bytes) -> bytes:
    """Mask, or unmask."""
    if key == NO_MASK or not payload:
        return payload
    length = len(payload)
    stream = (key * (length // len(key) + 1))[:length]
    return (int.from_bytes(payload) ^ int.from_bytes(stream)).to_bytes(length)


def packed(payload: bytes) -> bytes:
    """Pack a message as permessage-deflate wants it."""
    engine = zlib.compressobj(9, wbits=-15)
    return (engine.compress(payload) + engine.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)


def unpacked(payload: bytes) -> bytes:
    """Unpack a message of a server that keeps no context."""
    return zlib.decompressobj(wbits=-15).decompress(payload + _TAIL)


class FrameReader:
    """Cuts a server's bytes into frames."""

    def __init__(self) -> None:
        self.may_pack = False
        """permessage-deflate was negotiated."""

        self._held = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """
        Take bytes; returns the frames they complete.

        Raises:
            FrameError: A masked frame, a reserved bit nobody negotiated, or a control frame too long or in pieces.
        """
        self._held += data
        found = []
        while (one := self._next()) is not None:
            found.append(one)
        return found

    def _next(self) -> Frame | None:
        held = self._held
        if len(held) < 2:  # noqa: PLR2004 - the two bytes every frame begins with
            return None
        first, second = held[0], held[1]
        opcode, final = first & 0x0F, bool(first & _FINAL)
        reserved = first & _RESERVED
        if reserved and not (reserved == PACKED and self.may_pack):
            raise FrameError("a reserved bit is set although no extension was negotiated")
        if second & _MASKED:
            raise FrameError("a server must not mask")
        size, at = second, 2
        if size == _LENGTH_16:
            size, at = int.from_bytes(held[2:4]), 4
        elif size == _LENGTH_64:
            size, at = int.from_bytes(held[2:10]), 10
        if opcode & _CONTROL and (size > _SMALL or not final):
            raise FrameError("a control frame is too long or in pieces")
        if len(held) < at or len(held) < at + size:
            return None
        payload = bytes(held[at : at + size])
        del held[: at + size]
        return Frame(opcode, payload, final, packed=bool(reserved))
