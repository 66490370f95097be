"""Who comes first."""

from __future__ import annotations

from rollout.order import in_order

UIDS = [bytes([number]) * 16 for number in range(50)]


def test_order_does_not_depend_on_how_they_were_handed_in() -> None:
    """Every replica, and every look after a crash, reckons the same order."""
    assert in_order(UIDS, b"one") == in_order(reversed(UIDS), b"one")
    assert sorted(in_order(UIDS, b"one")) == UIDS


def test_another_rollout_begins_with_others() -> None:
    """Nobody is always the first."""
    assert in_order(UIDS, b"one") != in_order(UIDS, b"two")
