"""The rows about sizes fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails

EXACTLY = [
    ("ignores Content-Encoding", "S-022 S-034 S-035"),
    ("400 for oversize", "S-035"),
    ("another code for oversize", "S-028"),
    ("no limit", "S-026 S-027 S-028 S-034 S-035"),
]


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)
