from __future__ import annotations

import pytest

from servicekit.bus import DEADLINE_HEADER, MAX_ANSWER_SECONDS, TIMEOUT_HEADER, seconds_left


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, 30.0),
        ({TIMEOUT_HEADER: "5000"}, 5.0),
        ({TIMEOUT_HEADER: "5000", DEADLINE_HEADER: "1005000"}, 5.0),
        ({TIMEOUT_HEADER: "5000", DEADLINE_HEADER: "1001000"}, 3.0),
        ({TIMEOUT_HEADER: "5000", DEADLINE_HEADER: "940000"}, -58.0),
        ({TIMEOUT_HEADER: "9000000"}, MAX_ANSWER_SECONDS),
        ({TIMEOUT_HEADER: "soon"}, MAX_ANSWER_SECONDS),
    ],
    ids=["default", "timeout", "fresh", "half over", "long over", "bounded", "unreadable"],
)
def test_time_left_to_answer(headers: dict[str, str], left: float) -> None:
    """The caller's timeout counts from when it asked, give or take what clocks may differ."""
    assert seconds_left(headers, 1000.0) == left
