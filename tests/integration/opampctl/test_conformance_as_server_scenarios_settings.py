"""The rows about connection settings fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import failed_rows, fails_by_silence

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET

EXACTLY = [
    (WS, "silent trials", "settings.trial_goes_well", "C-169"),
    (WS, "no offered headers", "settings.trial_goes_well", "C-202"),
    (WS, "calls failures applied", "settings.trial_goes_badly", "C-171 C-175"),
    (WS, "forgets", "settings.settings_are_remembered", "C-172"),
]

SILENTLY = [
    (WS, "calls it applied", "settings.trial_goes_badly", "C-171"),
]


@pytest.mark.parametrize(
    ("transport", "sin", "scenarios", "rows"), EXACTLY, ids=lambda each: str(each).replace(" ", "-")
)
async def test_sin_fails_exactly_its_rows(transport: Transport, sin: str, scenarios: str, rows: str) -> None:
    """Of all rows these scenarios and the rules for every message judge, exactly these fail."""
    assert await failed_rows(sin, scenarios, transport) == set(rows.split())


@pytest.mark.parametrize(
    ("transport", "sin", "scenarios", "rows"), SILENTLY, ids=lambda each: str(each).replace(" ", "-")
)
async def test_silence_fails_its_rows(transport: Transport, sin: str, scenarios: str, rows: str) -> None:
    """What has to come and does not fails its rows when patience ends."""
    assert await fails_by_silence(sin, scenarios, rows, transport)
