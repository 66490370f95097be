"""What went over the wire in one check: hexadecimal, clipped, and never a credential."""

from __future__ import annotations

CLIP_BYTES = 120
MOST_LINES = 24
SENT, RECEIVED, NOTED = ">", "<", "#"


def clip(data: bytes, most: int = CLIP_BYTES) -> str:
    """Write bytes as hex; what is cut off is told by its length."""
    if len(data) <= most:
        return data.hex() or "(no bytes)"
    return f"{data[:most].hex()}... ({len(data)} bytes)"


class Trace:
    """The lines of one check, oldest first; the oldest go when there are too many."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._dropped = 0

    def sent(self, what: str, data: bytes = b"") -> None:
        """Note bytes that left; *what* names their kind and must not contain a credential."""
        self._add(f"{SENT} {what}: {clip(data)}" if data else f"{SENT} {what}")

    def received(self, what: str, data: bytes = b"") -> None:
        """Note bytes that came."""
        self._add(f"{RECEIVED} {what}: {clip(data)}" if data else f"{RECEIVED} {what}")

    def note(self, text: str) -> None:
        """Note what is neither: a stimulus, a pause."""
        self._add(f"{NOTED} {text}")

    def lines(self) -> tuple[str, ...]:
        """Return what is left of it."""
        head = (f"{NOTED} {self._dropped} earlier lines left out",) if self._dropped else ()
        return (*head, *self._lines)

    def _add(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) > MOST_LINES:
            del self._lines[0]
            self._dropped += 1
