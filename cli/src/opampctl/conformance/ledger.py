"""Every message of the server in the whole run: what must hold of all of them is judged here, at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opampctl.conformance.heard import Heard

UNKNOWN_CAPABILITIES = -1


@dataclass(frozen=True)
class Record:
    """One message and the circumstances it came in."""

    heard: Heard
    row: str
    """Id of the check that heard it."""

    ever: int
    """All capabilities its agent had stated by then; -1 when it names no agent of the check."""

    uids: frozenset[bytes]
    """The uids the check had used."""


class Ledger:
    """All records, in order."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def add(self, record: Record) -> None:
        """Keep one more."""
        self.records.append(record)

    def readable(self) -> list[Record]:
        """Return those that are ServerToAgent messages."""
        return [each for each in self.records if each.heard.readable]
