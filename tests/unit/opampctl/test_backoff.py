"""When an agent tries again."""

from __future__ import annotations

import random

from opampctl.simulate.backoff import MAX_SECONDS, delay_seconds, parse_retry_after


def test_first_reconnect_is_immediate() -> None:
    """A working connection that broke is restored at once, as opamp-go does."""
    assert delay_seconds(0, random.Random(1)) == 0  # noqa: S311 - a test wants chance that can be repeated


def test_delays_grow_within_their_spread() -> None:
    """Each failure makes the nominal delay half as long again, give or take half, up to a limit."""
    rng = random.Random(1)  # noqa: S311 - a test wants chance that can be repeated
    for failures, nominal in ((1, 0.5), (2, 0.75), (3, 1.125), (100, MAX_SECONDS)):
        delays = [delay_seconds(failures, rng) for _ in range(200)]
        assert nominal * 0.5 <= min(delays)
        assert max(delays) <= nominal * 1.5
        assert max(delays) > min(delays)


def test_server_wish_is_a_lower_bound() -> None:
    """Nobody returns before the time the server asked for, and a crowd does not return in step."""
    rng = random.Random(1)  # noqa: S311 - a test wants chance that can be repeated
    delays = [delay_seconds(1, rng, 10.0) for _ in range(100)]
    assert min(delays) >= 10.0
    assert max(delays) <= 11.0
    assert len(set(delays)) == 100
    assert delay_seconds(50, rng, 1.0) > 1.1


def test_retry_after_is_read_in_both_forms() -> None:
    """Seconds and HTTP dates are understood, anything else is ignored."""
    assert parse_retry_after("7", 0) == 7
    assert parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 40) == 60
    assert parse_retry_after("Thu, 01 Jan 1970 00:00:10 GMT", 40) == 0
    assert parse_retry_after(None, 0) is None
    assert parse_retry_after("soon", 0) is None
