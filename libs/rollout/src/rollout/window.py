"""
Maintenance windows: on these days, between these times, as clocks on the wall there show them.

When clocks go forward, a time that is skipped is not shown, so a window inside the skipped hour does not open that
day; when they go back, a window inside the repeated hour opens twice. Nothing ever happens at a time outside of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = "24:00"
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_SEARCH_DAYS = 9


@dataclass(frozen=True)
class Window:
    """When somebody may begin with something new."""

    time_zone: str
    """IANA name, such as Europe/Berlin."""

    days: tuple[str, ...]
    """Days it opens on: mon … sun, at least one."""

    from_time: str
    """HH:MM, included."""

    to_time: str
    """HH:MM, excluded; 24:00 = the end of the day; not later than `from_time` = on the day after."""

    def is_open(self, now: datetime) -> bool:
        """Say whether *now*, with a time zone of its own, lies in the window."""
        local = now.astimezone(ZoneInfo(self.time_zone))
        minute, opens, closes = _minutes(f"{local:%H:%M}"), _minutes(self.from_time), _minutes(self.to_time)
        today = DAYS[local.weekday()] in self.days
        if opens < closes:
            return today and opens <= minute < closes
        yesterday = DAYS[local.weekday() - 1] in self.days
        return (today and minute >= opens) or (yesterday and minute < closes)

    def next_opening(self, now: datetime) -> datetime | None:
        """
        Tell when it opens next, in UTC; None while it is open.

        Only days decide how far this looks: a window inside an hour that is skipped that night opens a week later.
        """
        if self.is_open(now):
            return None
        zone = ZoneInfo(self.time_zone)
        today = now.astimezone(zone).date()
        wanted = time.fromisoformat(self.from_time)
        for distance in range(-1, _SEARCH_DAYS * 2):
            # A time the clocks skip is read with the offset before: an instant after the gap, where the window is
            # open or it does not open at all. The hour before finds a window that begins in the gap and ends later.
            for fold in (0, 1):
                opening = datetime.combine(today + timedelta(days=distance), wanted, zone).replace(fold=fold)
                instant = opening.astimezone(UTC)
                if instant > now and self.is_open(instant):
                    return _earliest(self, instant, now)
        return None


def faults_of(window: Window) -> list[tuple[str, str]]:
    """List what is wrong with a window: field and what it must be."""
    found = []
    if not is_time_zone(window.time_zone):
        found.append(("time_zone", "must be an IANA time zone such as Europe/Berlin"))
    if not window.days or set(window.days) - set(DAYS) or len(set(window.days)) != len(window.days):
        found.append(("days", f"must be some of {', '.join(DAYS)}, each once"))
    if not _TIME.fullmatch(window.from_time):
        found.append(("from", "must be a time such as 22:00"))
    if not _TIME.fullmatch(window.to_time) and window.to_time != MIDNIGHT:
        found.append(("to", "must be a time such as 04:00, or 24:00"))
    if window.from_time == window.to_time:
        found.append(("to", "must differ from the beginning; a whole day is 00:00 to 24:00"))
    return found


def is_time_zone(name: str) -> bool:
    """Say whether there is a time zone of that name; any text may be asked about."""
    return name in _zones()


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _earliest(window: Window, instant: datetime, now: datetime) -> datetime:
    """Go back to the first minute of the opening *instant* lies in; clocks that jump may have opened it earlier."""
    while instant - timedelta(minutes=1) > now and window.is_open(instant - timedelta(minutes=1)):
        instant -= timedelta(minutes=1)
    return instant


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
