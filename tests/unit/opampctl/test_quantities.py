"""Durations, rates and labels as people type them."""

from __future__ import annotations

import math

import pytest

from opampctl.quantities import describe_seconds, parse_duration, parse_pairs, parse_rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1h30m", 5400), ("45", 45), ("1.5 s", 1.5), ("30d", 2592000)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """Units may be combined; a bare number means seconds."""
    assert parse_duration(text) == seconds


def test_forever_is_infinite() -> None:
    """`forever` has no end."""
    assert math.isinf(parse_duration("forever"))


@pytest.mark.parametrize("text", ["", "abc", "10x", "5s later", "-3s", "s"])
def test_other_durations_are_refused_with_examples(text: str) -> None:
    """What is no duration is refused, and the message shows what is one."""
    with pytest.raises(ValueError, match="write 30s"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "per_second"), [("500/s", 500), ("30/m", 0.5), ("7", 7), ("3600/h", 1), ("0/s", 0)])
def test_rates_are_read(text: str, per_second: float) -> None:
    """A rate is a number per second, minute or hour."""
    assert parse_rate(text) == per_second


@pytest.mark.parametrize("text", ["", "fast", "5/x", "-1/s"])
def test_other_rates_are_refused(text: str) -> None:
    """What is no rate is refused."""
    with pytest.raises(ValueError, match="500/s"):
        parse_rate(text)


def test_pairs_are_read() -> None:
    """The value may hold further signs; the later of two wins."""
    assert parse_pairs(["a=1", "b=x=y", "a=2"]) == {"a": "2", "b": "x=y"}


@pytest.mark.parametrize("text", ["a", "=1"])
def test_other_pairs_are_refused(text: str) -> None:
    """A label needs a key and a sign."""
    with pytest.raises(ValueError, match="key=value"):
        parse_pairs([text])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250 ms"), (12.34, "12.3 s"), (200, "3 m 20 s"), (7500, "2 h 5 m"), (math.inf, "forever")],
)
def test_durations_are_written(seconds: float, text: str) -> None:
    """A duration is written in the unit that fits it."""
    assert describe_seconds(seconds) == text
