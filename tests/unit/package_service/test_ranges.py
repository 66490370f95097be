"""Which bytes a request asks for."""

from __future__ import annotations

import pytest

from package_service.ranges import Unsatisfiable, bytes_asked, is_current


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, (0, 100)),
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=9-5", (0, 100)),
        ("bytes=0-1,5-6", (0, 100)),
        ("bytes=-", (0, 100)),
        ("lines=0-9", (0, 100)),
        ("bytes=a-b", (0, 100)),
        ("bytes=" + "9" * 30 + "-", (0, 100)),
    ],
)
def test_ranges(header: str | None, span: tuple[int, int]) -> None:
    """One range is given; what is none, or several, is as good as no header."""
    assert bytes_asked(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_outside_the_file(header: str) -> None:
    """To be answered with 416."""
    with pytest.raises(Unsatisfiable):
        bytes_asked(header, 100)


def test_if_range_names_the_content() -> None:
    """Only bytes of the same content may be joined."""
    assert is_current(None, '"a"')
    assert is_current('"a"', '"a"')
    assert not is_current('"b"', '"a"')
