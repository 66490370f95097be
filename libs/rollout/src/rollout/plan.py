"""What a rollout is allowed to do, as somebody wrote it down; and what cannot be written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.window import Window, faults_of

MAX_STAGES = 20
MAX_LABELS = 32
MAX_IN_FLIGHT = 100_000
MAX_SECONDS = 7 * 24 * 3600
EVERYBODY = 100


@dataclass(frozen=True)
class Stage:
    """One stage: a share of the agents or those with certain labels. Exactly one of both."""

    percent: int | None = None
    """Of all agents, this stage and all before it together; rounded up."""

    selector: Mapping[str, str] = field(default_factory=dict)
    """Labels, all of which an agent of this stage has."""

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Say whether an agent with these labels may be in this stage."""
        return self.percent is not None or all(labels.get(key) == value for key, value in self.selector.items())


@dataclass(frozen=True)
class Threshold:
    """How many failures end the rollout until somebody has looked. Exactly one of both."""

    percent: int | None = None
    """Of the agents of this stage and all before it."""

    count: int | None = None

    def reached(self, failed: int, size: int) -> bool:
        """
        Say whether so many failures are too many.

        Args:
            failed: Agents that failed.

            size: Agents of this stage and all before it.
        """
        if failed == 0:
            return False
        if self.count is not None:
            return failed >= self.count
        return failed * EVERYBODY >= (self.percent or 0) * size


@dataclass(frozen=True)
class Plan:
    """What a rollout may do."""

    stages: tuple[Stage, ...]
    """In order; the last one is for everybody."""

    max_in_flight: int
    """Agents that have begun and of which nobody knows yet how it went."""

    watch_seconds: int
    """How long an agent has to be well with what is new before it counts as a success."""

    timeout_seconds: int
    """How long an agent may take; also how long a stage waits for agents that are not there."""

    threshold: Threshold
    window: Window | None = None
    """When agents may begin; None = always."""

    rollback: bool = True
    """Whether agents that failed get the previous version when the rollout halts."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a plan."""

    field: str
    """Path of names and indexes: `stages[0].percent`."""

    message: str


def problems_of(plan: Plan) -> list[Problem]:
    """List everything that is wrong with a plan; empty = it may be run."""
    found = [*_stage_problems(plan.stages), *_threshold_problems(plan.threshold)]
    for name, value, least, most in (
        ("max_in_flight", plan.max_in_flight, 1, MAX_IN_FLIGHT),
        ("watch_seconds", plan.watch_seconds, 0, MAX_SECONDS),
        ("timeout_seconds", plan.timeout_seconds, 1, MAX_SECONDS),
    ):
        if not least <= value <= most:
            found.append(Problem(name, f"must be between {least} and {most}"))
    if plan.window is not None:
        found += [Problem(f"window.{name}", message) for name, message in faults_of(plan.window)]
    return found


def _stage_problems(stages: tuple[Stage, ...]) -> list[Problem]:
    if not 1 <= len(stages) <= MAX_STAGES:
        return [Problem("stages", f"must be 1 to {MAX_STAGES}")]
    found, least = [], 1
    for number, stage in enumerate(stages):
        place = f"stages[{number}]"
        if (stage.percent is None) == (not stage.selector):
            found.append(Problem(place, "must have either percent or selector"))
        elif stage.percent is not None and not least <= stage.percent <= EVERYBODY:
            message = f"must be between {least} and {EVERYBODY}: it counts the stages before it, too"
            found.append(Problem(f"{place}.percent", message))
        elif len(stage.selector) > MAX_LABELS:
            found.append(Problem(f"{place}.selector", f"must have at most {MAX_LABELS} labels"))
        least = max(least, (stage.percent or 0) + 1)
    if not found and stages[-1].percent != EVERYBODY:
        found.append(Problem(f"stages[{len(stages) - 1}]", "must be for 100 percent: the last stage is for everybody"))
    return found


def _threshold_problems(threshold: Threshold) -> list[Problem]:
    if (threshold.percent is None) == (threshold.count is None):
        return [Problem("failure_threshold", "must have either percent or count")]
    if threshold.percent is not None and not 1 <= threshold.percent <= EVERYBODY:
        return [Problem("failure_threshold.percent", f"must be between 1 and {EVERYBODY}")]
    if threshold.count is not None and not 1 <= threshold.count <= MAX_IN_FLIGHT:
        return [Problem("failure_threshold.count", f"must be between 1 and {MAX_IN_FLIGHT}")]
    return []
