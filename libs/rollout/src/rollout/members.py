"""An agent in a rollout: where it stands, and how it moves on by what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from rollout.sight import Sight, Stand

if TYPE_CHECKING:
    from rollout.plan import Plan

MAX_ERROR = 1000
LATE = "did not finish in time"
UNHEALTHY = "unhealthy after the change"
GONE = "was not seen well again after the change"
ABSENT = "was not connected while it was its turn"
OUT = "does not belong to the rollout any more"


class MemberState(StrEnum):
    """Where an agent stands."""

    WAITING = "waiting"
    ADMITTED = "admitted"
    """It was told, and is on its way."""

    WATCHING = "watching"
    """It says it is done; for a while it is looked at."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    """It failed, or the rollout was aborted, and it is back at what it ran before."""

    LEFT_OUT = "left_out"
    """It was not there, or does not belong to it any more."""


IN_FLIGHT = frozenset((MemberState.ADMITTED, MemberState.WATCHING))
TOUCHED = frozenset((*IN_FLIGHT, MemberState.SUCCEEDED, MemberState.FAILED, MemberState.ROLLED_BACK))
"""Whoever was admitted once."""

SETTLED = frozenset((MemberState.SUCCEEDED, MemberState.FAILED, MemberState.ROLLED_BACK, MemberState.LEFT_OUT))


@dataclass(frozen=True)
class Member:
    """An agent in a rollout."""

    uid: bytes
    state: MemberState = MemberState.WAITING
    since: datetime | None = None
    """When it came into this state."""

    stage: int | None = None
    """Stage it was admitted in, from 0; None before that."""

    round: int = 0
    """Round it failed or was lost in: each resumption of a halted rollout begins another."""

    error: str = ""
    """Why it failed or was left out; kept when it is back."""

    put_back: bool = False
    """It was told to go back to what it ran before: after a failure, and at once when it was late."""


def observe(member: Member, sight: Sight, plan: Plan, now: datetime, current_round: int) -> Member:
    """Move an agent on by what is seen of it; it is never admitted here."""
    match member.state:
        case MemberState.ADMITTED:
            return _admitted(member, sight, plan, now, current_round)
        case MemberState.WATCHING:
            return _watching(member, sight, plan, now, current_round)
        case MemberState.FAILED if member.put_back and sight.stand is Stand.BACK:
            return moved(member, MemberState.ROLLED_BACK, now)
        case MemberState.FAILED if not member.put_back and _is_well(sight):
            # Late is not failed: somebody tried again, or it only took its time.
            return replace(moved(member, MemberState.SUCCEEDED, now), error="")
        case MemberState.LEFT_OUT:
            return replace(moved(member, MemberState.WAITING, now), error="", stage=None)
        case _:
            return member


def lost(member: Member, now: datetime, current_round: int) -> Member:
    """Move on an agent that does not belong to the rollout any more; who is settled stays settled."""
    if member.state in SETTLED:
        return member
    return replace(moved(member, MemberState.LEFT_OUT, now), error=OUT, round=current_round)


def withdrawn(member: Member, now: datetime) -> Member:
    """Let an agent that has not begun wait for its turn again."""
    return replace(moved(member, MemberState.WAITING, now), stage=None)


def has_begun(sight: Sight) -> bool:
    """Say whether an agent that was admitted knows of it."""
    return sight.stand not in (Stand.ELSEWHERE, Stand.BACK)


def moved(member: Member, state: MemberState, now: datetime) -> Member:
    """Put an agent into a state."""
    return replace(member, state=state, since=now)


def failed(member: Member, error: str, now: datetime, current_round: int) -> Member:
    """Note that an agent failed, and in which round."""
    return replace(moved(member, MemberState.FAILED, now), error=error[:MAX_ERROR], round=current_round)


def _admitted(member: Member, sight: Sight, plan: Plan, now: datetime, current_round: int) -> Member:
    if sight.stand is Stand.FAILED:
        return failed(member, sight.error or LATE, now, current_round)
    if sight.stand is Stand.DONE:
        return moved(member, MemberState.WATCHING, now)
    if not _passed(member, plan.timeout_seconds, now):
        return member
    if not has_begun(sight) and not sight.connected:
        # It went away before it heard of it: that says nothing of what is new.
        return withdrawn(member, now)
    # Whatever it still does nobody would watch.
    late = failed(member, f"{LATE}: {sight.error}" if sight.error else LATE, now, current_round)
    return replace(late, put_back=True)


def _watching(member: Member, sight: Sight, plan: Plan, now: datetime, current_round: int) -> Member:
    if sight.stand is Stand.FAILED:
        return failed(member, sight.error or UNHEALTHY, now, current_round)
    if not _passed(member, plan.watch_seconds, now):
        return member
    if _is_well(sight):
        return moved(member, MemberState.SUCCEEDED, now)
    if sight.connected and sight.stand is Stand.DONE:
        return failed(member, f"{UNHEALTHY}: {sight.error}" if sight.error else UNHEALTHY, now, current_round)
    if _passed(member, plan.watch_seconds + plan.timeout_seconds, now):
        return failed(member, GONE, now, current_round)
    return member


def _is_well(sight: Sight) -> bool:
    return sight.stand is Stand.DONE and sight.connected and sight.healthy


def _passed(member: Member, seconds: int, now: datetime) -> bool:
    return member.since is None or now >= member.since + timedelta(seconds=seconds)
