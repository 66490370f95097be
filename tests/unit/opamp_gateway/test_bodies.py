"""HTTP bodies: unpacked within a limit, packed where that is wanted."""

from __future__ import annotations

import gzip

import pytest

from opamp_gateway.bodies import TooLarge, inflate, takes_gzip
from opamp_gateway.errors import BadMessage


def test_gzip_is_unpacked_up_to_the_limit() -> None:
    """One byte more is too large, and no more than that is ever unpacked."""
    assert inflate(gzip.compress(b"x" * 1000), 1000) == b"x" * 1000
    with pytest.raises(TooLarge):
        inflate(gzip.compress(b"x" * 1001), 1000)


@pytest.mark.parametrize("data", [b"", b"x", gzip.compress(b"x", mtime=0)[:-1], gzip.compress(b"x", mtime=0) + b"y"])
def test_anything_else_is_a_bad_message(data: bytes) -> None:
    """Not gzip, cut short, or followed by something."""
    with pytest.raises(BadMessage):
        inflate(data, 1000)


@pytest.mark.parametrize(
    ("accept", "allowed"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("gzip;q=0", False), ("", False), ("br", False)],
)
def test_gzip_is_sent_where_it_is_taken(accept: str, allowed: bool) -> None:
    """As Accept-Encoding says."""
    assert takes_gzip(accept) is allowed
