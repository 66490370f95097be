"""The rows about capabilities fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails

EXACTLY = [
    ("undefined capabilities", "S-062 S-069"),
    ("no AcceptsStatus", "S-065"),
    ("no capabilities", "S-063 S-066 S-137"),
    ("keeps old capabilities", "S-067"),
]


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)
