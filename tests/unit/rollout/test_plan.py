"""What may be planned."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.plan import Plan, Stage, Threshold, problems_of
from rollout.window import Window

ALL = Stage(percent=100)


def plan(**changes: Any) -> Plan:
    """Make a plan that may be run, but for what is changed."""
    return Plan(
        **{
            "stages": (Stage(percent=10), ALL),
            "max_in_flight": 10,
            "watch_seconds": 60,
            "timeout_seconds": 600,
            "threshold": Threshold(percent=5),
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"stages": (ALL,)}, []),
        ({"stages": (Stage(selector={"env": "canary"}), Stage(percent=1), ALL)}, []),
        ({"stages": ()}, ["stages"]),
        ({"stages": tuple(Stage(percent=number) for number in range(1, 22))}, ["stages"]),
        ({"stages": (Stage(), ALL)}, ["stages[0]"]),
        ({"stages": (Stage(percent=10, selector={"a": "b"}), ALL)}, ["stages[0]"]),
        ({"stages": (Stage(percent=10), Stage(percent=10), ALL)}, ["stages[1].percent"]),
        ({"stages": (Stage(percent=0), ALL)}, ["stages[0].percent"]),
        ({"stages": (Stage(percent=101),)}, ["stages[0].percent"]),
        ({"stages": (Stage(percent=99),)}, ["stages[0]"]),
        ({"stages": (ALL, Stage(selector={"a": "b"}))}, ["stages[1]"]),
        ({"stages": (Stage(selector={str(number): "" for number in range(33)}), ALL)}, ["stages[0].selector"]),
        ({"max_in_flight": 0}, ["max_in_flight"]),
        ({"watch_seconds": -1}, ["watch_seconds"]),
        ({"timeout_seconds": 0}, ["timeout_seconds"]),
        ({"timeout_seconds": 10**9}, ["timeout_seconds"]),
        ({"threshold": Threshold()}, ["failure_threshold"]),
        ({"threshold": Threshold(percent=1, count=1)}, ["failure_threshold"]),
        ({"threshold": Threshold(percent=0)}, ["failure_threshold.percent"]),
        ({"threshold": Threshold(count=0)}, ["failure_threshold.count"]),
        ({"window": Window("UTC", (), "09:00", "17:00")}, ["window.days"]),
        ({"window": Window("UTC", ("mon",), "09:00", "17:00")}, []),
    ],
)
def test_every_fault_is_named(changes: dict[str, Any], fields: list[str]) -> None:
    """With the place where it stands."""
    assert [problem.field for problem in problems_of(plan(**changes))] == fields


@pytest.mark.parametrize(
    ("threshold", "failed", "size", "reached"),
    [
        (Threshold(count=3), 2, 10, False),
        (Threshold(count=3), 3, 1000, True),
        (Threshold(percent=5), 4, 100, False),
        (Threshold(percent=5), 5, 100, True),
        (Threshold(percent=100), 9, 10, False),
        (Threshold(percent=1), 0, 0, False),
    ],
)
def test_threshold(threshold: Threshold, failed: int, size: int, *, reached: bool) -> None:
    """As many as written are too many; no failure never is."""
    assert threshold.reached(failed, size) is reached


def test_stages_by_labels_and_by_share() -> None:
    """A share takes anybody, a selector those with every label."""
    canary = Stage(selector={"env": "canary", "zone": "a"})

    assert Stage(percent=1).admits({})
    assert canary.admits({"env": "canary", "zone": "a", "more": "x"})
    assert not canary.admits({"env": "canary"})
