"""Rate limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api_gateway.throttle import Limit, Throttle


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_a_burst_passes_and_the_next_one_is_told_when() -> None:
    """Five at once, then one every twelve seconds."""
    clock = Hand()
    throttle = Throttle(Limit(5 / 60, 5), clock)

    verdicts = [throttle.take("jo") for _ in range(6)]

    assert [verdict.allowed for verdict in verdicts] == [True] * 5 + [False]
    assert [verdict.remaining for verdict in verdicts] == [4, 3, 2, 1, 0, 0]
    assert abs(verdicts[5].retry_after_seconds - 12) < 1e-6
    clock.now += 12
    assert throttle.take("jo").allowed
    assert not throttle.take("jo").allowed


def test_callers_do_not_share_a_limit() -> None:
    """One caller's flood is not another's refusal."""
    throttle = Throttle(Limit(1, 1), Hand())

    assert throttle.take("a").allowed
    assert not throttle.take("a").allowed
    assert throttle.take("b").allowed


def test_looking_counts_nothing() -> None:
    """Logins that succeed do not count; what take would answer is told."""
    throttle = Throttle(Limit(1 / 60, 1), Hand())
    for _ in range(10):
        assert throttle.peek("a").allowed

    assert len(throttle) == 0
    assert throttle.take("a").allowed
    assert throttle.peek("a") == throttle.take("a")
    assert not throttle.peek("a").allowed


def test_memory_is_bounded() -> None:
    """A million addresses cost no more than the bound."""
    throttle = Throttle(Limit(1, 1), Hand(), max_keys=10)
    for number in range(1000):
        throttle.take(str(number))

    assert len(throttle) == 10


@given(st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=200))
def test_never_more_than_burst_plus_rate(pauses: list[float]) -> None:
    """Whatever the rhythm, no more pass than burst + rate x time."""
    clock = Hand()
    throttle = Throttle(Limit(2, 5), clock)
    start, passed = clock.now, 0
    for pause in pauses:
        clock.now += pause
        passed += throttle.take("a").allowed

    assert passed <= 5 + 2 * (clock.now - start) + 1e-6
