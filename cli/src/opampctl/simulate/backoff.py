"""When an agent tries again: at once after a break, then ever later, never before the server asked. Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

INITIAL_SECONDS = 0.5
FACTOR = 1.5
SPREAD = 0.5
MAX_SECONDS = 30.0


def delay_seconds(failures: int, rng: random.Random, retry_after_seconds: float | None = None) -> float:
    """
    Tell how long to wait before the next attempt, as opamp-go does.

    Args:
        failures: Attempts that failed since the last success; 0 = a working connection just broke: go at once.

        rng: Source of the jitter (half to one and a half times the nominal delay).

        retry_after_seconds: What the server asked for; used when longer than our own delay, plus up to a
            tenth of jitter so that a refused crowd does not come back in step.
    """
    own = 0.0
    if failures:
        nominal = min(INITIAL_SECONDS * FACTOR ** min(failures - 1, 32), MAX_SECONDS)
        own = nominal * (1 - SPREAD + 2 * SPREAD * rng.random())
    if retry_after_seconds is not None and retry_after_seconds > own:
        return retry_after_seconds * (1 + rng.random() / 10)
    return own


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header, seconds or HTTP date, as seconds from *now*; None = absent or unreadable."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None
