"""The rows about remote configuration fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails, fails_by_silence

EXACTLY = [
    ("configures anybody", "S-067 S-068 S-080"),
    ("configs without hash", "S-019 S-067 S-083 S-084"),
    ("two files for one", "S-091"),
]

SILENTLY = [
    ("never compares", "S-081 S-082"),
    ("offers for ever", "S-085"),
    ("one hash for all", "S-084"),
]


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)


@pytest.mark.parametrize(("sin", "rows"), SILENTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_its_rows(sin: str, rows: str) -> None:
    """These rows fail, or are told to be unused where the specification leaves the choice."""
    assert await fails_by_silence(sin, rows=rows)
