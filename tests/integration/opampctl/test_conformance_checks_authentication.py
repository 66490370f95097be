"""The rows about who is let in fail for servers that sin against them, and for no others."""

from __future__ import annotations

import pytest
from conformancelab.judging import fails_by_silence

SILENTLY = [
    ("200 for strangers", "S-216"),
    ("lets everybody in", "S-215 S-216"),
    ("authenticates after the upgrade", "S-215 S-216"),
]


@pytest.mark.parametrize(("sin", "rows"), SILENTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_its_rows(sin: str, rows: str) -> None:
    """These rows fail, or are told to be unused where the specification leaves the choice."""
    assert await fails_by_silence(sin, rows=rows)
