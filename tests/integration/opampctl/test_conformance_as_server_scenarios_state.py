"""The rows about the full state fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import fails_by_silence

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET

SILENTLY = [
    (WS, "no full state", "state.full_state", "C-066"),
    (WS, "keeps its uid", "state.new_uid_is_used", "C-062"),
    (WS, "no components", "state.components", "C-244"),
]


@pytest.mark.parametrize(
    ("transport", "sin", "scenarios", "rows"), SILENTLY, ids=lambda each: str(each).replace(" ", "-")
)
async def test_silence_fails_its_rows(transport: Transport, sin: str, scenarios: str, rows: str) -> None:
    """What has to come and does not fails its rows when patience ends."""
    assert await fails_by_silence(sin, scenarios, rows, transport)
