"""The rows about answers that ask nothing, and strange ones fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import failed_rows, fails_by_silence

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET

EXACTLY = [
    (WS, "any header", "answers.other_headers", "C-009"),
    (WS, "drops on empty", "answers.header_alone", "C-012"),
    (WS, "answers everything", "answers.acknowledgements", "C-051 C-052"),
    (WS, "drops on errors", "answers.strange_messages", "C-285"),
    (WS, "heeds others", "answers.another_agent", "C-286"),
    (WS, "unwanted", "answers.modest_server", "C-083"),
]

SILENTLY = [
    (WS, "one-byte headers", "answers.long_headers", "C-010"),
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
