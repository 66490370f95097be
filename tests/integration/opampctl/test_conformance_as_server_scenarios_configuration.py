"""The rows about remote configuration fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import failed_rows, fails_by_silence

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET
HTTP = Transport.HTTP

EXACTLY = [
    (WS, "repeats config status", "configuration.configuration_comes_twice", "C-052 C-073 C-094"),
    (WS, "repeats description", "configuration.configuration_is_applied", "C-070"),
    (WS, "hashless failures", "configuration.configuration_is_refused", "C-112"),
    (WS, "forgets", "configuration.configuration_is_remembered", "C-113"),
]

SILENTLY = [
    (WS, "unfinished", "configuration.configuration_is_applied", "C-114"),
    (HTTP, "loses news", "configuration.news_get_lost", "C-076"),
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
