"""The rows about heartbeats fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import failed_rows

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET

EXACTLY = [
    (WS, "beats on", "beating.offered_interval", "C-219"),
]


@pytest.mark.parametrize(
    ("transport", "sin", "scenarios", "rows"), EXACTLY, ids=lambda each: str(each).replace(" ", "-")
)
async def test_sin_fails_exactly_its_rows(transport: Transport, sin: str, scenarios: str, rows: str) -> None:
    """Of all rows these scenarios and the rules for every message judge, exactly these fail."""
    assert await failed_rows(sin, scenarios, transport) == set(rows.split())
