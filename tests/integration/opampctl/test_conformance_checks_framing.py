"""The rows about WebSocket framing fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails, fails_by_silence

EXACTLY = [
    ("text", "S-008"),
    ("any header", "S-011"),
    ("one-byte headers", "S-012"),
    ("closes on empty messages", "S-014"),
]

SILENTLY = [
    ("header of five", "S-010 S-013"),
    ("no header", "S-009 S-016"),
    ("loses the last byte", "S-012 S-013 S-016"),
]


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)


@pytest.mark.parametrize(("sin", "rows"), SILENTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_its_rows(sin: str, rows: str) -> None:
    """These rows fail, or are told to be unused where the specification leaves the choice."""
    assert await fails_by_silence(sin, rows=rows)
