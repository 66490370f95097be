"""What is seen of an agent."""

from __future__ import annotations

from rollout.sight import Sight, Stand


def test_nothing_said_is_nothing_wrong() -> None:
    """An agent that reports no health is taken for well, and has not begun."""
    assert (Sight().healthy, Sight().stand) == (True, Stand.ELSEWHERE)
