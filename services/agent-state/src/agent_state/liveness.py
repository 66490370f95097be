"""
When an agent may be called offline for want of a sign. Pure.

Silence proves nothing unless somebody listened. So nothing is judged before this process has heard the bus, reached
the database and kept its own time without interruption for longer than what it would judge by.
"""

from __future__ import annotations

from dataclasses import dataclass

OVERSLEPT_SECONDS = 3.0
"""A loop that wakes this much too late was stopped: what it should have heard meanwhile is still unread."""

UNWRITTEN_SECONDS = 5.0
"""Presence not written down for this long means the database does not know what we heard."""

FUSE_AT_LEAST = 20
"""Smaller groups may fall silent together without suspicion."""


class Steadiness:
    """Knows for how long this process has listened without interruption; times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._written_at: float | None = None
        self._wakes_at: float | None = None

    def written(self, now: float) -> None:
        """Note that everything heard so far is in the database."""
        self._written_at = now

    def sleeping(self, now: float, seconds: float) -> None:
        """Note that the loop rests and means to wake after *seconds*."""
        self._wakes_at = now + seconds

    def interrupted(self, now: float) -> None:
        """Begin again: something was missed."""
        self._since = now

    def seconds(self, now: float, bus_seconds: float) -> float:
        """
        Tell for how long we have listened.

        Args:
            now: Monotonic time.

            bus_seconds: How long the bus has been connected without interruption.
        """
        overslept = self._wakes_at is not None and now - self._wakes_at > OVERSLEPT_SECONDS
        unwritten = self._written_at is None or now - self._written_at > UNWRITTEN_SECONDS
        if self._since is None or overslept or unwritten:
            self._since = now
        return min(now - self._since, bus_seconds)


@dataclass(frozen=True, slots=True)
class Rules:
    """How long a sign of life lasts."""

    lease_seconds: float
    beat_seconds: float
    silence_seconds: float

    def may_judge_leases(self, steady_seconds: float) -> bool:
        """A living gateway would have renewed its lease by now."""
        return steady_seconds > self.lease_seconds + self.beat_seconds

    def may_judge_silence(self, steady_seconds: float) -> bool:
        """A living agent would have been named by now."""
        return steady_seconds > self.silence_seconds + self.beat_seconds


class Fuse:
    """
    Holds back a sweep that would take too many at once, until it still would after a while.

    A gateway that dies takes all its WebSocket agents, and that is judged by its lease; so many silent agents of living
    gateways are more likely our mistake than theirs.
    """

    def __init__(self, fraction: float, hold_seconds: float) -> None:
        self._fraction = fraction
        self._hold_seconds = hold_seconds
        self._since: float | None = None

    def allows(self, silent: int, connected: int, now: float) -> bool:
        """Say whether *silent* of *connected* agents may be called offline now."""
        if silent < FUSE_AT_LEAST or silent <= self._fraction * connected:
            self._since = None
            return True
        if self._since is None:
            self._since = now
        return now - self._since >= self._hold_seconds
