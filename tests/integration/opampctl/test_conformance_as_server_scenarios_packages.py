"""The rows about packages fail for agents that sin against them, and no others do."""

from __future__ import annotations

import pytest
from agentlab.judging import failed_rows

from opampctl.conformance.heard import Transport

WS = Transport.WEBSOCKET

EXACTLY = [
    (WS, "fetches again", "packages.packages_are_synced", "C-121 C-129"),
    (WS, "always fetches", "packages.packages_are_synced", "C-123 C-126 C-134"),
    (WS, "no file headers", "packages.packages_are_synced", "C-128"),
    (WS, "posts for files", "packages.packages_are_synced", "C-127"),
    (WS, "own hash of all", "packages", "C-159"),
    (WS, "keeps what is dropped", "packages.packages_are_synced", "C-124"),
    (WS, "forgets the offer", "packages.packages_are_synced", "C-147"),
    (WS, "claims what it lacks", "packages.package_cannot_be_fetched", "C-144 C-146"),
    (WS, "newest package only", "packages.packages_are_synced", "C-140"),
]


@pytest.mark.parametrize(
    ("transport", "sin", "scenarios", "rows"), EXACTLY, ids=lambda each: str(each).replace(" ", "-")
)
async def test_sin_fails_exactly_its_rows(transport: Transport, sin: str, scenarios: str, rows: str) -> None:
    """Of all rows these scenarios and the rules for every message judge, exactly these fail."""
    assert await failed_rows(sin, scenarios, transport) == set(rows.split())
