"""RFC 6455 as a server reads it: strict about what only clients must do."""

from __future__ import annotations

from opampctl.conformance.frames import CLOSE, Frame, FrameError, masked

_TWO = 2
_LENGTH_16, _LENGTH_64, _SMALL = 126, 127, 125
_CONTROL = 0x8


class ClientFrameReader:
    """Cuts an agent's bytes into frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """
        Take bytes; returns the frames they complete, unmasked.

        Raises:
            FrameError: An unmasked frame, a reserved bit or opcode, or a control frame too long or in pieces.
        """
        self._held += data
        found = []
        while (one := self._next()) is not None:
            found.append(one)
        return found

    def _next(self) -> Frame | None:
        held = self._held
        if len(held) < _TWO:
            return None
        first, second = held[0], held[1]
        opcode, final, size, at = first & 0x0F, bool(first & 0x80), second & 0x7F, _TWO
        if first & 0x70:
            raise FrameError("a reserved bit is set although no extension was negotiated")
        if not second & 0x80:
            raise FrameError("a client must mask its frames")
        if opcode & _CONTROL and (size > _SMALL or not final or opcode > CLOSE + 2):
            raise FrameError("a control frame is unknown, too long or in pieces")
        if size == _LENGTH_16:
            size, at = int.from_bytes(held[2:4]), 4
        elif size == _LENGTH_64:
            size, at = int.from_bytes(held[2:10]), 10
        if len(held) < at + 4 or len(held) < at + 4 + size:
            return None
        key = bytes(held[at : at + 4])
        payload = masked(bytes(held[at + 4 : at + 4 + size]), key)
        del held[: at + 4 + size]
        return Frame(opcode, payload, final)
