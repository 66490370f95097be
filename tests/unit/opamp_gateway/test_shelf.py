"""Verdicts on a shelf: bounded, and found by whom they are about."""

from __future__ import annotations

from gatewaylab.speech import OTHER, UID

from opamp_gateway.shelf import Held, Shelf, Verdict

HELD = Held(Verdict(), 0.0)


def test_verdicts_are_found_by_credential_and_by_agent() -> None:
    """Whoever is named; empty names name nobody."""
    shelf: Shelf[int] = Shelf(10)
    shelf.put(1, HELD, ("c-1", UID, b""))
    shelf.put(2, HELD, ("c-2", UID, OTHER))

    assert sorted(shelf.about(("c-1",))) == [1]
    assert sorted(shelf.about((UID,))) == [1, 2]
    assert sorted(shelf.about((OTHER, "c-1"))) == [1, 2]
    assert shelf.about(("", b"")) == []


def test_what_is_dropped_or_replaced_is_not_found_any_more() -> None:
    """Nothing of it is left, names included."""
    shelf: Shelf[int] = Shelf(10)
    shelf.put(1, HELD, ("c-1", UID))
    shelf.put(1, HELD, ("c-2",))
    assert shelf.about(("c-1", UID)) == []

    shelf.drop(1)
    shelf.drop(1)

    assert (len(shelf), shelf.get(1), shelf.about(("c-2",))) == (0, None, [])
    assert shelf.__dict__["_named"] == shelf.__dict__["_names"] == {}


def test_the_oldest_make_room() -> None:
    """Replacing one makes it new."""
    shelf: Shelf[int] = Shelf(2)
    for key in (1, 2, 1, 3):
        shelf.put(key, HELD, ("c",))

    assert sorted(shelf.about(("c",))) == [1, 3]
    assert len(list(shelf.all())) == 2
    shelf.clear()
    assert len(shelf) == 0
