"""A campaign as it is kept, and what may be written of one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contracts.labels import MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS
from package_service.errors import InvalidCampaign
from package_service.package import problem_of_name
from package_service.versions import problem_of_version
from rollout import Plan, Rollout, Stage, Threshold, Window
from rollout.plan import problems_of
from servicekit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

MAX_CAMPAIGNS = 500
"""Per tenant; whoever needs more deletes ended ones."""


@dataclass(frozen=True)
class Draft:
    """What a person writes."""

    name: str
    to_version: str
    plan: Plan


@dataclass(frozen=True)
class Campaign:
    """A campaign."""

    tenant_id: str
    campaign_id: UUID
    name: str
    assignment_id: UUID
    package: str
    from_version: str
    to_version: str
    plan: Plan
    rollout: Rollout
    revision: int
    created_by: str
    created_at: datetime
    updated_by: str
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    assignment_revision: int = 0
    """Of the assignment when it was started or last resumed; 0 = nobody noted it."""

    agents: Mapping[str, int] = field(default_factory=dict)
    """How many are in which state."""


def check(draft: Draft) -> None:
    """Refuse a campaign that cannot be; raises InvalidCampaign with every fault."""
    problems = list(_problems(draft))
    if problems:
        raise InvalidCampaign(problems)


def stages_document(plan: Plan) -> list[dict[str, Any]]:
    """Write the stages of a plan as they are stored."""
    return [
        {"percent": stage.percent} if stage.percent is not None else {"selector": dict(stage.selector)}
        for stage in plan.stages
    ]


def threshold_document(plan: Plan) -> dict[str, int]:
    """Write the threshold of a plan as it is stored."""
    threshold = plan.threshold
    if threshold.percent is not None:
        return {"percent": threshold.percent}
    return {"count": threshold.count or 0}


def window_document(plan: Plan) -> dict[str, Any] | None:
    """Write the maintenance window of a plan as it is stored."""
    window = plan.window
    if window is None:
        return None
    return {
        "time_zone": window.time_zone,
        "days": list(window.days),
        "from": window.from_time,
        "to": window.to_time,
    }


def stages_of(document: list[Mapping[str, Any]]) -> tuple[Stage, ...]:
    """Read stages as they are stored."""
    return tuple(Stage(stage.get("percent"), stage.get("selector") or {}) for stage in document)


def threshold_of(document: Mapping[str, Any]) -> Threshold:
    """Read a threshold as it is stored."""
    return Threshold(document.get("percent"), document.get("count"))


def window_of(document: Mapping[str, Any] | None) -> Window | None:
    """Read a maintenance window as it is stored."""
    if document is None:
        return None
    return Window(document["time_zone"], tuple(document["days"]), document["from"], document["to"])


def _problems(draft: Draft) -> Iterator[Problem]:
    if message := problem_of_name(draft.name):
        yield Problem("name", message)
    if message := problem_of_version(draft.to_version):
        yield Problem("to_version", message)
    for problem in problems_of(draft.plan):
        yield Problem(problem.field, problem.message)
    for number, stage in enumerate(draft.plan.stages):
        for key, value in stage.selector.items():
            if not 0 < len(key) <= MAX_KEY_CHARACTERS or len(value) > MAX_VALUE_CHARACTERS or "\x00" in key + value:
                message = (
                    f"must have keys of 1 to {MAX_KEY_CHARACTERS} and values of at most {MAX_VALUE_CHARACTERS} "
                    "characters, none of them NUL"
                )
                yield Problem(f"stages[{number}].selector", message)
                break
