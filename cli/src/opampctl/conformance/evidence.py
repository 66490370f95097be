"""What went over the wire in one check: hexadecimal, clipped, and never a credential."""

from __future__ import annotations

from dataclasses import dataclass

CLIP_BYTES = 120
MOST_LINES = 24
_KEPT_BYTES = 4096
SENT, RECEIVED, NOTED = ">", "<", "#"


def clip(data: bytes, most: int = CLIP_BYTES, *, size: int | None = None) -> str:
    """Write bytes as hex; what is cut off, here or before, is told by the whole length."""
    whole = len(data) if size is None else size
    if whole <= most:
        return data.hex() or "(no bytes)"
    return f"{data[:most].hex()}... ({whole} bytes)"


class Secrets:
    """Texts that must not be shown: whoever learns one in a run adds it."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def add(self, *texts: str) -> None:
        """Remember texts, and the last word of each, such as a token behind its scheme."""
        self._known |= {part.encode() for text in texts for part in (text, text.rpartition(" ")[2]) if part}

    def masked(self, data: bytes) -> bytes:
        """Replace every secret by asterisks of its length."""
        for secret in self._known:
            data = data.replace(secret, b"*" * len(secret))
        return data


@dataclass(frozen=True)
class _Entry:
    mark: str
    what: str
    data: bytes
    size: int


class Trace:
    """
    The lines of one check, oldest first; the oldest go when there are too many.

    Args:
        secrets: What is masked when the lines are written, which is after all secrets are known.
    """

    def __init__(self, secrets: Secrets | None = None) -> None:
        self._secrets = secrets or Secrets()
        self._entries: list[_Entry] = []
        self._dropped = 0

    def sent(self, what: str, data: bytes = b"") -> None:
        """Note bytes that left; *what* names their kind and must not contain a credential."""
        self._add(SENT, what, data)

    def received(self, what: str, data: bytes = b"") -> None:
        """Note bytes that came."""
        self._add(RECEIVED, what, data)

    def note(self, text: str) -> None:
        """Note what is neither: a stimulus, a pause."""
        self._add(NOTED, text, b"")

    def lines(self) -> tuple[str, ...]:
        """Write what is left of it."""
        head = (f"{NOTED} {self._dropped} earlier lines left out",) if self._dropped else ()
        return (*head, *(self._line(entry) for entry in self._entries))

    def _line(self, entry: _Entry) -> str:
        shown = f"{entry.mark} {entry.what}"
        return f"{shown}: {clip(self._secrets.masked(entry.data), size=entry.size)}" if entry.size else shown

    def _add(self, mark: str, what: str, data: bytes) -> None:
        self._entries.append(_Entry(mark, what, data[:_KEPT_BYTES], len(data)))
        if len(self._entries) > MOST_LINES:
            del self._entries[0]
            self._dropped += 1
