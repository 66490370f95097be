"""Windows in every time zone, the nights when clocks change included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from rollout.window import DAYS, Window, faults_of

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata", "UTC")
times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
windows = st.builds(
    Window, st.sampled_from(ZONES), st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple), times, times
).filter(lambda window: window.from_time != window.to_time)
moments = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(0, 60 * minutes)
)
near_changes = st.builds(
    lambda day, minutes: datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=minutes),
    st.sampled_from(["2026-03-08", "2026-03-29", "2026-04-04", "2026-10-03", "2026-10-25", "2026-11-01"]),
    st.integers(-60, 26 * 60),
)


@given(windows, moments | near_changes)
def test_open_only_when_the_clock_on_the_wall_says_so(window: Window, now: datetime) -> None:
    """On every day of every year: the promise of a maintenance window."""
    local = now.astimezone(ZoneInfo(window.time_zone))
    shown, day, day_before = f"{local:%H:%M}", DAYS[local.weekday()], DAYS[local.weekday() - 1]
    if window.from_time < window.to_time:
        expected = day in window.days and window.from_time <= shown < window.to_time
    else:
        expected = (day in window.days and shown >= window.from_time) or (
            day_before in window.days and shown < window.to_time
        )

    assert faults_of(window) == []
    assert window.is_open(now) is expected


@given(windows, near_changes)
def test_next_opening_is_the_next(window: Window, now: datetime) -> None:
    """It is open then, and not a minute before."""
    opening = window.next_opening(now)
    if opening is None:
        assert window.is_open(now)
        return

    assert opening > now
    assert window.is_open(opening)
    minute = now
    for _ in range(26 * 60):
        if minute >= opening:
            break
        assert not window.is_open(minute)
        minute += timedelta(minutes=1)


@given(st.text(max_size=40), st.text(max_size=6), st.text(max_size=6), st.lists(st.text(max_size=4), max_size=9))
def test_anything_may_be_asked_about(zone: str, start: str, end: str, days: list[str]) -> None:
    """Whatever somebody sends is judged, never a crash."""
    assert isinstance(faults_of(Window(zone, tuple(days), start, end)), list)
