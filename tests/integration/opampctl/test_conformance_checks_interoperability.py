"""The rows about other versions and shared connections fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails, fails_by_silence

EXACTLY = [
    ("refuses unknown bits", "S-221"),
]

SILENTLY = [
    ("wrong uid", "S-220 S-224"),
    ("no uid", "S-046 S-225"),
]


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)


@pytest.mark.parametrize(("sin", "rows"), SILENTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_its_rows(sin: str, rows: str) -> None:
    """These rows fail, or are told to be unused where the specification leaves the choice."""
    assert await fails_by_silence(sin, rows=rows)
