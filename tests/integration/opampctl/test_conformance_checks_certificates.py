"""The rows about certificate requests fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails

EXACTLY = [
    ("signs anything", "S-140 S-148 S-150"),
    ("sends a private key", "S-146"),
]


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)
