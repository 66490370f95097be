"""When attempts count as ever later."""

from __future__ import annotations

import pytest

from opampctl.conformance.as_server.scenarios.connecting import grows, in_step


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ([0.1, 0.2, 0.4, 0.8], True),
        ([0.5, 0.2, 0.4, 0.8], True),
        ([1.0, 1.0, 1.0, 1.0], False),
        ([4.0, 3.0, 2.0, 1.0], False),
        ([1.0], False),
    ],
)
def test_growth_is_seen(gaps: list[float], verdict: bool) -> None:
    """The later half is compared with the earlier one."""
    assert grows(gaps) is verdict


def test_even_gaps_are_in_step() -> None:
    """Without jitter a crowd comes back together."""
    assert in_step([1.0, 1.0001, 1.0])
    assert not in_step([1.0, 1.1, 1.0])
