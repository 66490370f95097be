"""The rows about packages fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails, fails_by_silence

EXACTLY = [
    ("packages for anybody", "S-068 S-093"),
    ("weak package hashes", "S-101"),
    ("versions do not count", "S-104"),
    ("wrong content hashes", "S-107"),
    ("no ranges", "S-109"),
    ("no file", "S-097 S-107 S-108 S-109"),
]

SILENTLY = [
    ("no aggregate hash", "S-098 S-099"),
]


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)


@pytest.mark.parametrize(("sin", "rows"), SILENTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_its_rows(sin: str, rows: str) -> None:
    """These rows fail, or are told to be unused where the specification leaves the choice."""
    assert await fails_by_silence(sin, rows=rows)
