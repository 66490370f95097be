"""The rows about sizes fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import fails_by_silence

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET
HTTP = Transport.HTTP

SILENTLY = [
    (WS, "no limit", "sizes", "C-027 C-028 C-029"),
    (HTTP, "no limit", "sizes", "C-035 C-036 C-037"),
]


@pytest.mark.parametrize(
    ("transport", "sin", "scenarios", "rows"), SILENTLY, ids=lambda each: str(each).replace(" ", "-")
)
async def test_silence_fails_its_rows(transport: Transport, sin: str, scenarios: str, rows: str) -> None:
    """What has to come and does not fails its rows when patience ends."""
    assert await fails_by_silence(sin, scenarios, rows, transport)
