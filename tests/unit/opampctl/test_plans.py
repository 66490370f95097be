"""Plans of campaigns as people type them."""

from __future__ import annotations

from typing import Any

import pytest

from opampctl.plans import (
    DAYS,
    describe_stage,
    describe_threshold,
    describe_window,
    parse_stage,
    parse_threshold,
    parse_window,
)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("10%", {"percent": 10}),
        (" 100 % ", {"percent": 100}),
        ("ring=canary", {"selector": {"ring": "canary"}}),
        ("ring=canary,env=prod", {"selector": {"ring": "canary", "env": "prod"}}),
        ("share=10%", {"selector": {"share": "10%"}}),
    ],
)
def test_stages(text: str, stage: dict[str, Any]) -> None:
    """A share, or labels; written back as they are typed."""
    assert parse_stage(text) == stage
    assert parse_stage(describe_stage(stage)) == stage


@pytest.mark.parametrize(("text", "threshold"), [("5%", {"percent": 5}), ("20", {"count": 20})])
def test_thresholds(text: str, threshold: dict[str, int]) -> None:
    """A share or a number."""
    assert parse_threshold(text) == threshold
    assert describe_threshold(threshold) == text


@pytest.mark.parametrize(
    ("text", "days", "zone"),
    [
        ("mon-fri 22:00-04:00 Europe/Berlin", list(DAYS[:5]), "Europe/Berlin"),
        ("Sat,sun 22:00 - 04:00", ["sat", "sun"], "UTC"),
        ("fri-mon 22:00-04:00", ["mon", "fri", "sat", "sun"], "UTC"),
        ("daily 22:00-04:00 UTC", list(DAYS), "UTC"),
    ],
)
def test_windows(text: str, days: list[str], zone: str) -> None:
    """Days, times, time zone; written back so that it reads the same."""
    window = parse_window(text)

    assert window == {"time_zone": zone, "days": days, "from": "22:00", "to": "04:00"}
    assert parse_window(describe_window(window)) == window
    assert describe_window(None) == ""


@pytest.mark.parametrize("text", ["", "ten", "10", "=x", "a=b,c"])
def test_no_stage(text: str) -> None:
    """Said with what was typed."""
    with pytest.raises(ValueError, match="is no stage"):
        parse_stage(text)


@pytest.mark.parametrize("text", ["", "-5", "5.5", "five"])
def test_no_threshold(text: str) -> None:
    """Said with what was typed."""
    with pytest.raises(ValueError, match="is no number of failures"):
        parse_threshold(text)


@pytest.mark.parametrize("text", ["", "22:00-04:00", "monday 22:00-04:00", "mon-fry 22:00-04:00", "mon 22-04"])
def test_no_window(text: str) -> None:
    """Said with what was typed."""
    with pytest.raises(ValueError, match="is no window"):
        parse_window(text)
