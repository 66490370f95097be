"""What is seen of an agent right now; the input of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Stand(StrEnum):
    """How far an agent is with what is new."""

    ELSEWHERE = "elsewhere"
    """It has not begun, or shows something else altogether."""

    UNDERWAY = "underway"
    DONE = "done"
    FAILED = "failed"
    """It said so, took too long, or went back by itself."""

    BACK = "back"
    """It runs what it ran before, as it was told."""


@dataclass(frozen=True)
class Sight:
    """An agent as it looks now."""

    stand: Stand = Stand.ELSEWHERE
    connected: bool = True
    healthy: bool = True
    """False only if it said that it is not."""

    error: str = ""
    """Its words when it failed or is not healthy."""

    labels: Mapping[str, str] = field(default_factory=dict)
