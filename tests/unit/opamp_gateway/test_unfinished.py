"""One ledger for everything begun and not finished."""

from __future__ import annotations

from gatewaylab.fakes import Lab

from opamp_gateway.unfinished import Unfinished


async def test_ledger_counts_what_is_held_now() -> None:
    """A note replaces the one before; nothing held and forgotten are the same."""
    lab, ledger = Lab(), Unfinished()
    one, two = lab.open()[0], lab.open()[0]
    ledger.note(one, 100, 30.0, anew=True)
    ledger.note(one, 150, 31.0, anew=False)
    ledger.note(two, 50, None, anew=False)
    assert ledger.total == 200

    ledger.note(two, 0, None, anew=False)
    ledger.forget(one)
    ledger.forget(one)

    assert ledger.total == 0
    assert ledger.take_late(1e9) == []


async def test_largest_is_taken_first() -> None:
    """Who holds most is let go."""
    lab, ledger = Lab(), Unfinished()
    small, large = lab.open()[0], lab.open()[0]
    ledger.note(large, 900, 30.0, anew=True)
    ledger.note(small, 10, 30.0, anew=True)

    assert ledger.take_largest() is large
    assert ledger.total == 10


async def test_deadline_is_that_of_the_message_not_of_its_last_byte() -> None:
    """More bytes of the same message move nothing; another message does."""
    lab, ledger = Lab(), Unfinished()
    slow, brisk = lab.open()[0], lab.open()[0]
    ledger.note(brisk, 10, 30.0, anew=True)
    ledger.note(slow, 10, 31.0, anew=True)
    ledger.note(slow, 20, 55.0, anew=False)
    ledger.note(brisk, 10, 60.0, anew=True)

    assert ledger.take_late(30.5) == []
    assert ledger.take_late(31.0) == [slow]
    assert ledger.total == 10
