"""The rows about connections that break fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import failed_rows

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET
HTTP = Transport.HTTP

EXACTLY = [
    (WS, "hurries", "connecting.server_asks_for_patience", "C-225 C-252 C-267"),
    (WS, "no goodbye", "connecting.agent_leaves settings.trial_goes_well", "C-064 C-170 C-248"),
    (WS, "no close frame", "connecting.agent_leaves", "C-249"),
    (HTTP, "no goodbye", "connecting.agent_leaves", "C-250"),
]


@pytest.mark.parametrize(
    ("transport", "sin", "scenarios", "rows"), EXACTLY, ids=lambda each: str(each).replace(" ", "-")
)
async def test_sin_fails_exactly_its_rows(transport: Transport, sin: str, scenarios: str, rows: str) -> None:
    """Of all rows these scenarios and the rules for every message judge, exactly these fail."""
    assert await failed_rows(sin, scenarios, transport) == set(rows.split())
