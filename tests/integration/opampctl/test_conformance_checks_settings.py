"""The rows about connection settings fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails, fails_by_silence

EXACTLY = [
    ("offers settings to anybody", "S-068 S-117 S-118 S-119 S-120 S-121"),
    ("no endpoint", "S-129"),
    ("silences heartbeats", "S-171"),
    ("plain telemetry", "S-159"),
    ("proxy without URL", "S-167"),
    ("forgets the CA", "S-136 S-145 S-163"),
]

SILENTLY = [
    ("never compares", "S-123 S-124"),
    ("one hash for all", "S-122"),
    ("offers for ever", "S-156"),
    ("telemetry without path", "S-158"),
]


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)


@pytest.mark.parametrize(("sin", "rows"), SILENTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_its_rows(sin: str, rows: str) -> None:
    """These rows fail, or are told to be unused where the specification leaves the choice."""
    assert await fails_by_silence(sin, rows=rows)
