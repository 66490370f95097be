from __future__ import annotations

import itertools

import pytest

from config_service.attempt import OPEN, AttemptStatus, moved

REAL = [status for status in AttemptStatus if status is not AttemptStatus.NONE]


@pytest.mark.parametrize("current", [AttemptStatus.SUPERSEDED, AttemptStatus.NONE])
def test_some_statuses_are_final(current: AttemptStatus) -> None:
    """What was superseded stays so, and no attempt cannot become one."""
    assert all(moved(current, to) is current for to in AttemptStatus)


def test_the_agents_word_wins_over_the_clock() -> None:
    """Timed out, failed or rolled back: an agent that says APPLIED later is believed."""
    for current in REAL:
        if current is not AttemptStatus.SUPERSEDED:
            assert moved(current, AttemptStatus.APPLIED) is AttemptStatus.APPLIED


def test_only_open_attempts_time_out_or_are_superseded() -> None:
    """An outcome is not undone by time or by the next wish."""
    for current, to in itertools.product(REAL, (AttemptStatus.TIMED_OUT, AttemptStatus.SUPERSEDED)):
        assert (moved(current, to) is to) is (current in OPEN or current is to)


def test_nothing_goes_back_to_the_beginning() -> None:
    """A new try is a new row."""
    assert all(moved(current, AttemptStatus.PENDING) is current for current in REAL)
