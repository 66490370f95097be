"""Whoever was turned away is told so again for a moment."""

from __future__ import annotations

from gatewaylab.speech import OTHER, UID

from opamp_gateway import refusals as module
from opamp_gateway.refusals import Refusals


def test_sentence_is_repeated_for_a_moment() -> None:
    """To the same agent with the same credential."""
    refusals = Refusals()
    refusals.note("t", UID, "used up", 100.0)

    assert refusals.of("t", UID, 109.0) == "used up"
    assert refusals.of("t", UID, 111.0) == ""
    assert refusals.of("t", OTHER, 101.0) == ""
    assert refusals.of("u", UID, 101.0) == ""


def test_change_of_anybodys_right_forgets_all() -> None:
    """Who was approved a moment ago is let in."""
    refusals = Refusals()
    refusals.note("t", UID, "rejected", 100.0)
    refusals.clear()

    assert refusals.of("t", UID, 100.0) == ""


def test_memory_is_bounded() -> None:
    """Uids are free to make."""
    refusals = Refusals()
    for number in range(module._REMEMBERED + 1):
        refusals.note("t", number.to_bytes(16), "no", 100.0)

    assert refusals.of("t", (0).to_bytes(16), 100.0) == ""
    assert refusals.of("t", (1).to_bytes(16), 100.0) == "no"
