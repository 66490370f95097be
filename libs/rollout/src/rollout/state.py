"""A rollout as a whole: which state it is in, and what people may do to it when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from rollout.members import MemberState, moved

if TYPE_CHECKING:
    from rollout.members import Member

ABORTED = "the rollout was aborted"


class State(StrEnum):
    """Where a rollout stands."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    """Somebody holds it; nobody is admitted."""

    HALTED = "halted"
    """It holds itself, for too many failed or were lost; nobody is admitted until somebody resumes it."""

    COMPLETED = "completed"
    ABORTED = "aborted"


LIVING = frozenset((State.RUNNING, State.PAUSED, State.HALTED))
ENDED = frozenset((State.COMPLETED, State.ABORTED))


@dataclass(frozen=True)
class Rollout:
    """A rollout as a whole."""

    state: State = State.DRAFT
    stage: int = 0
    """Stage it is at, from 0."""

    stage_since: datetime | None = None
    round: int = 0
    """Failures are counted afresh in each; resuming a halted rollout begins the next."""

    reason: str = ""
    """Why it is halted, or waits."""


class NotNowError(Exception):
    """What somebody wants cannot be done in this state."""

    def __init__(self, state: State) -> None:
        super().__init__(state.value)
        self.state = state


def start(rollout: Rollout, now: datetime) -> Rollout:
    """Begin; raises NotNowError unless it is a draft."""
    _require(rollout, State.DRAFT)
    return replace(rollout, state=State.RUNNING, stage=0, stage_since=now, reason="")


def pause(rollout: Rollout) -> Rollout:
    """Admit nobody for the time being; raises NotNowError unless it runs."""
    _require(rollout, State.RUNNING)
    return replace(rollout, state=State.PAUSED, reason="")


def resume(rollout: Rollout, now: datetime) -> Rollout:
    """
    Go on with whoever has not begun; raises NotNowError unless it is paused or halted.

    After a halt failures are counted afresh. The stage waits for absent agents from now on.
    """
    _require(rollout, State.PAUSED, State.HALTED)
    halted = rollout.state is State.HALTED
    return replace(
        rollout, state=State.RUNNING, stage_since=now, reason="", round=rollout.round + 1 if halted else rollout.round
    )


def abort(
    rollout: Rollout, members: Mapping[bytes, Member], now: datetime, reason: str = ABORTED
) -> tuple[Rollout, list[Member]]:
    """
    End it: everybody gets what they had before.

    Returns:
        The rollout, and the members that changed. Whoever was admitted counts as rolled back, for nobody looks at
        them any more; whoever was not is left out.

    Raises:
        NotNowError: It has ended already, or never began.
    """
    _require(rollout, *LIVING)
    changed = []
    for member in members.values():
        if member.state is MemberState.WAITING:
            changed.append(replace(moved(member, MemberState.LEFT_OUT, now), error=reason))
        elif member.state not in (MemberState.LEFT_OUT, MemberState.ROLLED_BACK):
            changed.append(replace(moved(member, MemberState.ROLLED_BACK, now), put_back=True))
    return replace(rollout, state=State.ABORTED, reason=reason), changed


def _require(rollout: Rollout, *states: State) -> None:
    if rollout.state not in states:
        raise NotNowError(rollout.state)
