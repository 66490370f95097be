"""The rows about every message fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import failed_rows

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET
HTTP = Transport.HTTP

EXACTLY = [
    (WS, "text", "arrival.first_report state.full_state", "C-006"),
    (WS, "junk at the end", "state.components", "C-007 C-080"),
    (WS, "long header", "arrival.first_report state.full_state", "C-008"),
    (WS, "text uid", "arrival.first_report", "C-058"),
    (WS, "random uid", "arrival.first_report state.full_state", "C-059"),
    (WS, "reserved bit", "arrival.first_report state.full_state", "C-077 C-085"),
    (WS, "no ReportsStatus", "arrival.first_report state.full_state", "C-079"),
    (WS, "nameless heartbeats", "beating.heartbeats_come", "C-054 C-220"),
    (WS, "heartbeats without capabilities", "beating.heartbeats_come", "C-078"),
    (WS, "odd attributes", "arrival.first_report state.full_state", "C-087"),
    (WS, "seconds", "arrival.first_report state.full_state", "C-105 C-107"),
    (WS, "healthy with an error", "arrival.first_report state.full_state", "C-104"),
    (WS, "talkative components", "arrival.first_report state.full_state", "C-242"),
    (WS, "hashless components", "arrival", "C-240"),
    (WS, "bad names", "arrival.first_report state.full_state", "C-233"),
    (HTTP, "no content type", "arrival.first_report state.full_state", "C-015"),
    (HTTP, "no uid header", "arrival.first_report state.full_state", "C-022"),
    (HTTP, "unmarked gzip", "arrival.first_report state.full_state", "C-025"),
]


@pytest.mark.parametrize(
    ("transport", "sin", "scenarios", "rows"), EXACTLY, ids=lambda each: str(each).replace(" ", "-")
)
async def test_sin_fails_exactly_its_rows(transport: Transport, sin: str, scenarios: str, rows: str) -> None:
    """Of all rows these scenarios and the rules for every message judge, exactly these fail."""
    assert await failed_rows(sin, scenarios, transport) == set(rows.split())
