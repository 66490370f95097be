"""Plans of campaigns as people type them: `10%`, `ring=canary`, `mon-fri 22:00-04:00 Europe/Berlin`. Pure."""

from __future__ import annotations

import re
from typing import Any

from opampctl.quantities import parse_pairs

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PERCENT = re.compile(r"(\d{1,3})\s*%")
_WINDOW = re.compile(
    r"(?P<days>[a-z,-]+)\s+(?P<from>\d\d:\d\d)\s*-\s*(?P<to>\d\d:\d\d)(?:\s+(?P<zone>\S+))?", re.IGNORECASE
)


def parse_stage(text: str) -> dict[str, Any]:
    """
    Read a stage: `10%` of all agents, or `ring=canary` (several labels parted by commas).

    Raises:
        ValueError: The text is neither.
    """
    share = _PERCENT.fullmatch(text.strip())
    if share is not None:
        return {"percent": int(share[1])}
    try:
        return {"selector": parse_pairs(text.split(","))}
    except ValueError:
        message = f"{text!r} is no stage; write 10% or KEY=VALUE"
        raise ValueError(message) from None


def parse_threshold(text: str) -> dict[str, int]:
    """
    Read how many failures are too many: `5%` of the agents asked so far, or `20` agents.

    Raises:
        ValueError: The text is neither.
    """
    share = _PERCENT.fullmatch(text.strip())
    if share is not None:
        return {"percent": int(share[1])}
    if text.strip().isdecimal():
        return {"count": int(text)}
    message = f"{text!r} is no number of failures; write 5% or 20"
    raise ValueError(message)


def parse_window(text: str) -> dict[str, Any]:
    """
    Read a maintenance window: `mon-fri 22:00-04:00 Europe/Berlin`; days also `sat,sun` or `daily`, UTC by default.

    Raises:
        ValueError: The text is none; whether the time zone exists is for the server to say.
    """
    match = _WINDOW.fullmatch(text.strip())
    days = _days(match["days"].lower()) if match is not None else []
    if match is None or not days:
        message = f"{text!r} is no window; write mon-fri 22:00-04:00 Europe/Berlin"
        raise ValueError(message)
    return {"time_zone": match["zone"] or "UTC", "days": days, "from": match["from"], "to": match["to"]}


def describe_stage(stage: dict[str, Any]) -> str:
    """Write a stage as people type it."""
    if stage.get("percent") is not None:
        return f"{stage['percent']}%"
    return ",".join(f"{key}={value}" for key, value in sorted((stage.get("selector") or {}).items()))


def describe_threshold(threshold: dict[str, Any]) -> str:
    """Write a threshold as people type it."""
    return f"{threshold['percent']}%" if threshold.get("percent") is not None else str(threshold.get("count"))


def describe_window(window: dict[str, Any] | None) -> str:
    """Write a window as people type it; empty for none."""
    if window is None:
        return ""
    days = "daily" if len(window["days"]) == len(DAYS) else ",".join(window["days"])
    return f"{days} {window['from']}-{window['to']} {window['time_zone']}"


def _days(text: str) -> list[str]:
    """List the days a text names, in the order of the week; nothing when one of them is none."""
    if text == "daily":
        return list(DAYS)
    found: set[str] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            return []
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % len(DAYS) if dash else 0
        found.update(DAYS[(start + step) % len(DAYS)] for step in range(length + 1))
    return [day for day in DAYS if day in found]
