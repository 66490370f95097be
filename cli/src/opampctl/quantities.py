"""Durations, rates and label pairs as people type them on a command line."""

from __future__ import annotations

import math
import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/\s*(s|m|h))?")


def parse_duration(text: str) -> float:
    """
    Read a duration such as `30s`, `500ms`, `2m`, `1h30m`, `45` (seconds) or `forever`.

    Returns:
        Seconds; infinity for `forever`.

    Raises:
        ValueError: The text is none of these.
    """
    wanted = text.strip().lower()
    if wanted in {"forever", "inf"}:
        return math.inf
    total, position = 0.0, 0
    for match in _DURATION.finditer(wanted):
        if match.start() != position:
            break
        total += float(match[1]) * _UNITS[match[2] or "s"]
        position = match.end()
    if not wanted or position != len(wanted):
        message = f"{text!r} is not a duration; write 30s, 500ms, 2m, 1h30m or forever"
        raise ValueError(message)
    return total


def parse_rate(text: str) -> float:
    """
    Read a rate such as `500/s`, `30/m` or `500` (per second) as a number per second.

    Raises:
        ValueError: The text is none of these.
    """
    match = _RATE.fullmatch(text.strip().lower())
    if match is None:
        message = f"{text!r} is not a rate; write 500/s or 30/m"
        raise ValueError(message)
    return float(match[1]) / _UNITS[match[2] or "s"]


def parse_pairs(texts: list[str]) -> dict[str, str]:
    """
    Read `key=value` pairs, the later of two with one key winning.

    Raises:
        ValueError: A text has no `=` or no key.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            message = f"{text!r} is not a label; write key=value"
            raise ValueError(message)
        pairs[key.strip()] = value.strip()
    return pairs


def describe_seconds(seconds: float) -> str:
    """Write a duration as people read it: `850 ms`, `12.5 s`, `3 m 20 s`, `2 h 5 m`."""
    if math.isinf(seconds):
        return "forever"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _UNITS["m"]:
        return f"{seconds:.1f} s"
    if seconds < _UNITS["h"]:
        return f"{int(seconds // 60)} m {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} m"
