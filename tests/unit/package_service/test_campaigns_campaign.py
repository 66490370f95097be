"""What may be written of a campaign, and how it is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from package_service.campaigns.campaign import (
    Draft,
    check,
    stages_document,
    stages_of,
    threshold_document,
    threshold_of,
    window_document,
    window_of,
)
from package_service.errors import InvalidCampaign
from rollout import Plan, Stage, Threshold, Window

PLAN = Plan((Stage(selector={"ring": "canary"}), Stage(percent=100)), 10, 60, 600, Threshold(count=3))
DRAFT = Draft("to-1.1", "1.1.0", PLAN)


def test_plans_are_stored_as_they_are() -> None:
    """What was written is read again, through JSON."""
    window = Window("Europe/Berlin", ("mon", "sun"), "22:00", "04:00")
    for plan in (PLAN, replace(PLAN, threshold=Threshold(percent=5), window=window)):
        stages, threshold, opening = orjson.loads(
            orjson.dumps([stages_document(plan), threshold_document(plan), window_document(plan)])
        )
        assert (stages_of(stages), threshold_of(threshold), window_of(opening)) == (
            plan.stages,
            plan.threshold,
            plan.window,
        )


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"name": "../x"}, ["name"]),
        ({"name": "n" * 300, "to_version": "latest"}, ["name", "to_version"]),
        ({"to_version": "1.1"}, ["to_version"]),
        ({"plan": replace(PLAN, max_in_flight=0)}, ["max_in_flight"]),
        ({"plan": replace(PLAN, stages=(Stage(selector={"": "x"}), Stage(percent=100)))}, ["stages[0].selector"]),
        ({"plan": replace(PLAN, stages=(Stage(selector={"k": "\x00"}), Stage(percent=100)))}, ["stages[0].selector"]),
        (
            {"plan": replace(PLAN, stages=(Stage(selector={"k": "v" * 2000}), Stage(percent=100)))},
            ["stages[0].selector"],
        ),
    ],
)
def test_every_fault_is_named(changes: dict[str, Any], fields: list[str]) -> None:
    """With the place where it stands."""
    draft = replace(DRAFT, **changes)
    if not fields:
        check(draft)
        return

    with pytest.raises(InvalidCampaign) as caught:
        check(draft)
    assert [problem.field for problem in caught.value.details] == fields
