"""
Rate limits: GCRA, one number per caller, no timers.

In memory and per replica, so N replicas allow N times the limit: bounded, never open. The number of callers
remembered is bounded too; the one unheard of for longest is forgotten first, and whoever is forgotten merely
starts afresh.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_KEYS = 100_000


@dataclass(frozen=True)
class Limit:
    """At most `burst` at once, and `per_second` on average."""

    per_second: float
    burst: int


@dataclass(frozen=True)
class Verdict:
    """What the limiter says to one request."""

    allowed: bool
    limit: int
    """The burst."""

    remaining: int
    """What may still come at once."""

    retry_after_seconds: float
    """0 when allowed."""


class Throttle:
    """One limit for many callers."""

    def __init__(self, limit: Limit, monotonic: Callable[[], float], *, max_keys: int = MAX_KEYS) -> None:
        self._interval = 1.0 / limit.per_second
        self._burst = limit.burst
        self._monotonic = monotonic
        self._max_keys = max_keys
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._arrivals)

    def take(self, key: str) -> Verdict:
        """Count one request of *key*; a refused one is not counted."""
        arrival, verdict = self._look(key)
        if verdict.allowed:
            self._arrivals[key] = arrival
            self._arrivals.move_to_end(key)
            while len(self._arrivals) > self._max_keys:
                self._arrivals.popitem(last=False)
        return verdict

    def peek(self, key: str) -> Verdict:
        """Tell what take would answer, and count nothing."""
        return self._look(key)[1]

    def _look(self, key: str) -> tuple[float, Verdict]:
        now = self._monotonic()
        arrival = max(self._arrivals.get(key, now), now) + self._interval
        wait = arrival - self._burst * self._interval - now
        if wait > 1e-9:  # noqa: PLR2004 - what floats lose is no reason to refuse
            return arrival, Verdict(allowed=False, limit=self._burst, remaining=0, retry_after_seconds=wait)
        return arrival, Verdict(
            allowed=True,
            limit=self._burst,
            remaining=int(self._burst - (arrival - now) / self._interval + 1e-9),
            retry_after_seconds=0.0,
        )
