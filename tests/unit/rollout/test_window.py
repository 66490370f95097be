"""Maintenance windows, the nights when clocks change among them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollout.window import DAYS, Window, faults_of, is_time_zone

BERLIN = "Europe/Berlin"
FORWARD = datetime(2026, 3, 29, tzinfo=UTC)
"""At 01:00 UTC clocks in Berlin go from 02:00 to 03:00."""

BACK = datetime(2026, 10, 25, tzinfo=UTC)
"""At 01:00 UTC clocks in Berlin go from 03:00 to 02:00."""


def window(start: str, end: str, days: tuple[str, ...] = DAYS, zone: str = BERLIN) -> Window:
    """Make a window."""
    return Window(zone, days, start, end)


def open_minutes(wanted: Window, day: datetime, hours: int = 24) -> list[str]:
    """List the minutes, in UTC, at which a window is open."""
    minutes = (day + timedelta(minutes=number) for number in range(hours * 60))
    return [f"{minute:%H:%M}" for minute in minutes if wanted.is_open(minute)]


def test_open_between_its_times_on_its_days() -> None:
    """The beginning belongs to it, the end does not; other days are closed."""
    monday = window("09:00", "17:00", ("mon",))

    assert not monday.is_open(datetime(2026, 11, 16, 7, 59, tzinfo=UTC))
    assert monday.is_open(datetime(2026, 11, 16, 8, 0, tzinfo=UTC))
    assert monday.is_open(datetime(2026, 11, 16, 15, 59, 59, tzinfo=UTC))
    assert not monday.is_open(datetime(2026, 11, 16, 16, 0, tzinfo=UTC))
    assert not monday.is_open(datetime(2026, 11, 17, 9, 0, tzinfo=UTC))


def test_past_midnight_belongs_to_the_day_it_began() -> None:
    """Friday 22:00 to 04:00 goes on on Saturday, and Saturday evening is closed."""
    friday = window("22:00", "04:00", ("fri",), "UTC")

    assert not friday.is_open(datetime(2026, 11, 20, 3, 0, tzinfo=UTC))
    assert friday.is_open(datetime(2026, 11, 20, 22, 0, tzinfo=UTC))
    assert friday.is_open(datetime(2026, 11, 21, 3, 59, tzinfo=UTC))
    assert not friday.is_open(datetime(2026, 11, 21, 22, 0, tzinfo=UTC))


def test_whole_days() -> None:
    """00:00 to 24:00 is the day as it is there, of 23 or 25 hours when clocks change."""
    sunday = window("00:00", "24:00", ("sun",))

    assert len(open_minutes(sunday, FORWARD - timedelta(days=1), 72)) == 23 * 60
    assert len(open_minutes(sunday, BACK - timedelta(days=1), 72)) == 25 * 60


def test_clocks_go_forward() -> None:
    """A skipped time is never shown: what lies inside does not open, what begins there opens when it is over."""
    assert open_minutes(window("02:15", "02:45"), FORWARD) == []
    across = open_minutes(window("02:30", "04:00"), FORWARD)
    assert (across[0], across[-1], len(across)) == ("01:00", "01:59", 60)


def test_clocks_go_back() -> None:
    """A repeated time is shown twice: what lies inside opens twice."""
    twice = open_minutes(window("02:15", "02:45"), BACK)

    assert (len(twice), twice[0], twice[30]) == (60, "00:15", "01:15")


@pytest.mark.parametrize(
    ("wanted", "now", "expected"),
    [
        (window("22:00", "04:00", ("fri",), "UTC"), "2026-11-18T10:00", "2026-11-20T22:00"),
        (window("09:00", "17:00"), "2026-11-20T16:00", "2026-11-21T08:00"),
        (window("02:30", "04:00"), "2026-03-29T00:00", "2026-03-29T01:00"),
        (window("02:15", "02:45"), "2026-03-29T00:00", "2026-03-30T00:15"),
        (window("02:15", "02:45", ("sun",)), "2026-03-28T12:00", "2026-04-05T00:15"),
        (window("02:15", "02:45"), "2026-10-25T00:50", "2026-10-25T01:15"),
    ],
)
def test_next_opening(wanted: Window, now: str, expected: str) -> None:
    """Told in UTC, with clocks that change on the way."""
    found = wanted.next_opening(datetime.fromisoformat(now).replace(tzinfo=UTC))

    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_open_windows_have_no_next_opening() -> None:
    """It is open; what comes later does not matter."""
    assert window("00:00", "24:00").next_opening(BACK) is None


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        (window("09:00", "17:00"), []),
        (window("00:00", "24:00"), []),
        (window("9:00", "17:00"), ["from"]),
        (window("24:00", "17:00"), ["from"]),
        (window("09:00", "24:01"), ["to"]),
        (window("09:00", "09:00"), ["to"]),
        (window("09:00", "17:00", ()), ["days"]),
        (window("09:00", "17:00", ("mon", "mon")), ["days"]),
        (window("09:00", "17:00", ("monday",)), ["days"]),
        (window("09:00", "17:00", zone="Europe/Atlantis"), ["time_zone"]),
        (window("09:00", "17:00", zone="../../etc/passwd"), ["time_zone"]),
        (window("", "", ("",), ""), ["time_zone", "days", "from", "to", "to"]),
    ],
)
def test_what_cannot_be_a_window(wrong: Window, fields: list[str]) -> None:
    """Every fault is named with its field."""
    assert [field for field, _ in faults_of(wrong)] == fields


def test_time_zones_are_known_by_name() -> None:
    """Also where the machine has no list of its own."""
    assert is_time_zone("America/St_Johns")
    assert not is_time_zone("local\x00time")
