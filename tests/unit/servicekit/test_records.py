from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import pytest

from servicekit.records import replace


@dataclass(frozen=True)
class Point:
    """A value."""

    x: int
    y: int = 0


def test_changed_fields_are_new_and_the_value_stays() -> None:
    """Another value of the same kind, as frozen as the first."""
    before = Point(1, 2)
    after = replace(before, y=5)

    assert (before, after) == (Point(1, 2), Point(1, 5))
    assert hash(after) == hash(Point(1, 5))
    with pytest.raises(FrozenInstanceError):
        after.x = 3  # type: ignore[misc] # that is the point


def test_unknown_fields_are_refused() -> None:
    """As dataclasses.replace does."""
    with pytest.raises(TypeError, match="no such field: z"):
        replace(Point(1), z=1)
