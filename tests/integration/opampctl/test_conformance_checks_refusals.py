"""The rows about errors fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails

EXACTLY = [
    ("errors with capabilities", "S-202"),
    ("bare 400", "S-020 S-041 S-203"),
    ("unknown for bad", "S-148 S-204"),
    ("wordless errors", "S-205"),
    ("retry_info with BadRequest", "S-208"),
]


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)
