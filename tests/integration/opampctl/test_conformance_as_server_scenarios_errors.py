"""The rows about errors fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import failed_rows, fails_by_silence

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET
HTTP = Transport.HTTP

EXACTLY = [
    (WS, "sends bad things again", "errors.bad_request errors.unknown_error", "C-260 C-261"),
    (WS, "hurries", "errors.overload", "C-265"),
    (HTTP, "insists", "errors.too_large", "C-042"),
]

SILENTLY = [
    (WS, "ignores overload", "errors.overload", "C-262 C-264"),
    (WS, "stays when overloaded", "errors.overload", "C-264"),
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
