"""The ledger keeps what can be judged at the end."""

from __future__ import annotations

from opampctl.conformance.heard import Heard, Transport
from opampctl.conformance.ledger import Ledger, Record


def test_only_messages_are_judged() -> None:
    """What does not read as a message is kept, and not judged."""
    ledger = Ledger()
    for raw in (b"\xff", b""):
        ledger.add(Record(Heard(Transport.HTTP, raw), "S-001", 1, frozenset()))

    assert len(ledger.records) == 2
    assert [each.heard.raw for each in ledger.readable()] == [b""]
