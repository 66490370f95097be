"""Transfers that run are counted and bounded."""

from __future__ import annotations

import pytest

from package_service.bounds import Lane
from package_service.errors import TooManyTransfers


def test_lane_takes_so_many_and_no_more() -> None:
    """The next one is told when to come again; whoever ends makes room, also by failing."""
    lane = Lane("up", 1)

    with lane.taken():
        with pytest.raises(TooManyTransfers) as caught, lane.taken():
            pass
        assert caught.value.retry_after_seconds
    with pytest.raises(OSError, match="gone"), lane.taken():
        raise OSError("gone")

    assert lane.running == 0
