"""
WebSocket frames (RFC 6455) as a server sees and writes them: bytes in, whole messages out. No I/O.

Fragments are put together, control frames may stand between them. Everything a peer may not do ends in a
FrameViolation with the close code to say. Reserved bits are a violation, but for the one that says that a message
is compressed, where that was agreed.
"""

from __future__ import annotations

from typing import Final

from websockets.speedups import apply_mask

from opamp_gateway.deflate import deflate, inflate
from opamp_gateway.errors import FrameViolation

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
INVALID_DATA: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009

_FIN = 0x80
_RESERVED = 0x70
_COMPRESSED = 0x40
_OPCODE = 0x0F
_MASKED = 0x80
_CONTROL_LIMIT = 125
_LENGTH_16 = 126
_LENGTH_64 = 127
_MAX_16 = 0xFFFF
_CODE_BYTES = 2
_PART_BYTES = 48
"""What a fragment takes beside its bytes: empty ones cost memory, too."""

_NOTHING = bytearray()
"""Shared by all parsers that hold nothing; only a buffer that holds something is ever added to."""

Event = tuple[int, bytes]
"""(opcode, payload): BINARY or TEXT with a whole message, or PING, PONG, CLOSE."""


class FrameParser:
    """
    Puts one connection's bytes together into messages.

    Args:
        max_message: Bytes a message may have, all fragments together.

        max_frames: Frames a message may be cut into.

        compressed: Messages may be compressed.
    """

    __slots__ = (
        "_buffer",
        "_compressed",
        "_deflated",
        "_frames",
        "_need",
        "_opcode",
        "_parts",
        "_size",
        "max_frames",
        "max_message",
    )

    def __init__(self, max_message: int, max_frames: int, *, compressed: bool = False) -> None:
        self.max_message = max_message
        self.max_frames = max_frames
        self._buffer = _NOTHING
        self._need = 0
        self._parts: list[bytes] = []
        self._opcode = 0
        self._size = 0
        self._frames = 0
        self._compressed = compressed
        self._deflated = False

    @property
    def idle(self) -> bool:
        """Say whether nothing is half received, so that a fresh parser would do as well."""
        return not self._buffer and not self._opcode

    @property
    def held(self) -> int:
        """Tell how many bytes of memory the half message takes."""
        return len(self._buffer) + self._size + _PART_BYTES * self._frames

    def feed(self, data: bytes, events: list[Event]) -> None:
        """
        Take bytes and append what is complete to *events*.

        What was complete before a violation is in *events* when the violation is raised.

        Raises:
            FrameViolation: The peer broke the protocol; the parser must not be fed again.
        """
        # Whole frames are read where they arrived; what is incomplete is put aside until the rest of it is there.
        source = data
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._need:
                return
            source = bytes(self._buffer)
            self._buffer = _NOTHING
        at, size = 0, len(source)
        while at < size:
            end = self._frame(source, at, events)
            if end == at:
                self._buffer = bytearray(source[at:])
                break
            at = end

    def _frame(self, buffer: bytes, at: int, events: list[Event]) -> int:
        """Read the frame that starts at *at*; return where it ends, or *at* while it is incomplete."""
        have = len(buffer) - at
        self._need = have + 1
        if have < 2:  # noqa: PLR2004 - the two bytes every frame has
            return at
        first, second = buffer[at], buffer[at + 1]
        opcode, final, length = first & _OPCODE, bool(first & _FIN), second & ~_MASKED
        self._check(first, second, opcode, final=final, length=length)
        start = at + 2
        if length == _LENGTH_16:
            start += 2
            if have < 4:  # noqa: PLR2004 - two more bytes of length
                return at
            length = buffer[at + 2] << 8 | buffer[at + 3]
        elif length == _LENGTH_64:
            start += 8
            if have < 10:  # noqa: PLR2004 - eight more bytes of length
                return at
            length = int.from_bytes(buffer[at + 2 : start])
        if length > self.max_message - (self._size if opcode == CONTINUATION else 0):
            raise FrameViolation(TOO_BIG, f"a message may have at most {self.max_message} bytes")
        end = start + 4 + length
        if len(buffer) < end:
            self._need = end - at
            return at
        payload = apply_mask(buffer[start + 4 : end], buffer[start : start + 4])
        if opcode >= CLOSE:
            if opcode == CLOSE:
                check_close(payload)
            events.append((opcode, payload))
        else:
            self._data(opcode, payload, events, final=final, deflated=bool(first & _COMPRESSED))
        return end

    def _check(self, first: int, second: int, opcode: int, *, final: bool, length: int) -> None:
        """Refuse what the two first bytes already give away."""
        allowed = _COMPRESSED if self._compressed and CONTINUATION < opcode < CLOSE else 0
        if first & _RESERVED & ~allowed:
            raise FrameViolation(PROTOCOL_ERROR, "a reserved bit is set that means nothing here")
        if not second & _MASKED:
            raise FrameViolation(PROTOCOL_ERROR, "frames from a client must be masked")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise FrameViolation(PROTOCOL_ERROR, "unknown opcode")
            if not final or length > _CONTROL_LIMIT:
                raise FrameViolation(PROTOCOL_ERROR, "a control frame is whole and at most 125 bytes long")
        elif opcode == CONTINUATION:
            if not self._opcode:
                raise FrameViolation(PROTOCOL_ERROR, "continuation without a message to continue")
        elif opcode > BINARY:
            raise FrameViolation(PROTOCOL_ERROR, "unknown opcode")
        elif self._opcode:
            raise FrameViolation(PROTOCOL_ERROR, "a new message before the last one ended")

    def _data(self, opcode: int, payload: bytes, events: list[Event], *, final: bool, deflated: bool) -> None:
        """Add one data frame to the message it belongs to."""
        if opcode != CONTINUATION:
            if final:
                events.append((opcode, inflate(payload, self.max_message) if deflated else payload))
                return
            self._opcode = opcode
            self._deflated = deflated
        self._parts.append(payload)
        self._size += len(payload)
        self._frames += 1
        if final:
            whole = b"".join(self._parts)
            events.append((self._opcode, inflate(whole, self.max_message) if self._deflated else whole))
            self._parts = []
            self._opcode = self._size = self._frames = 0
        elif self._frames >= self.max_frames:
            raise FrameViolation(POLICY, f"a message may come in at most {self.max_frames} frames")


def check_close(payload: bytes) -> None:
    """
    Refuse a malformed Close payload.

    Raises:
        FrameViolation: One byte only, a code that may not be sent, or a reason that is not UTF-8.
    """
    if not payload:
        return
    if len(payload) < _CODE_BYTES:
        raise FrameViolation(PROTOCOL_ERROR, "a close frame has no body or at least a code")
    try:
        payload[_CODE_BYTES:].decode()
    except UnicodeDecodeError as error:
        raise FrameViolation(INVALID_DATA, "the close reason is not UTF-8") from error
    if not _may_be_sent(int.from_bytes(payload[:_CODE_BYTES])):
        raise FrameViolation(PROTOCOL_ERROR, "this close code may not be sent")


def frame(opcode: int, payload: bytes) -> bytes:
    """Write one whole unmasked frame."""
    return head(opcode, len(payload)) + payload


def deflated(opcode: int, payload: bytes, bits: int) -> bytes:
    """Write one whole compressed frame, with a window of *bits* bits."""
    packed = deflate(payload, bits)
    start = head(opcode, len(packed))
    return bytes((start[0] | _COMPRESSED,)) + start[1:] + packed


def head(opcode: int, length: int) -> bytes:
    """Write the head of a whole unmasked frame of *length* bytes."""
    if length < _LENGTH_16:
        return bytes((_FIN | opcode, length))
    if length <= _MAX_16:
        return bytes((_FIN | opcode, _LENGTH_16)) + length.to_bytes(2)
    return bytes((_FIN | opcode, _LENGTH_64)) + length.to_bytes(8)


def close_frame(code: int, reason: str = "") -> bytes:
    """Write a Close frame; the reason is cut to what a control frame can hold."""
    text = reason.encode()[: _CONTROL_LIMIT - _CODE_BYTES].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(_CODE_BYTES) + text)


def _may_be_sent(code: int) -> bool:
    """Say whether RFC 6455 §7.4 and its registry let an endpoint send *code*."""
    return code in _CODES or 3000 <= code <= 4999  # noqa: PLR2004 - registered and private use


_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
