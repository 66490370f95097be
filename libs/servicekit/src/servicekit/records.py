"""Values that never change, changed: frozen dataclasses by the thousand."""

from __future__ import annotations

from typing import Any, TypeVar

V = TypeVar("V")


def replace(value: V, **changes: Any) -> V:
    """
    Return the value with these fields changed: what dataclasses.replace does, twenty times as fast.

    One change often moves thousands of agents, each through a handful of these.

    Args:
        value: Of a frozen dataclass without slots that computes nothing when it is made.

        changes: New values by field.

    Raises:
        TypeError: There is no such field.
    """
    known = vars(value)
    members = known | changes
    if len(members) != len(known):
        message = f"no such field: {', '.join(changes.keys() - known.keys())}"
        raise TypeError(message)
    made = object.__new__(type(value))
    object.__setattr__(made, "__dict__", members)
    return made
