"""
The machine: what agents show goes in, what to do comes out.

It is level-triggered: it asks how things are, never what happened. Run it as often as you like, late, twice, after a
crash; whatever it decided and nobody carried out, it decides again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rollout.members import (
    ABSENT,
    IN_FLIGHT,
    OUT,
    TOUCHED,
    Member,
    MemberState,
    has_begun,
    lost,
    moved,
    observe,
    withdrawn,
)
from rollout.order import in_order
from rollout.plan import EVERYBODY, Plan, Stage
from rollout.state import LIVING, Rollout, State

if TYPE_CHECKING:
    from rollout.sight import Sight

NOBODY = "waits for agents: none that belongs to this stage is connected"
CLOSED = "waits for its maintenance window"
HALTED = "{failed} of {size} agents failed"
DESERTED = "none of its agents belongs to it any more: see what became of what it stands on"
LOST = "{lost} of its agents do not belong to it any more, {left} do: see what became of what it stands on"


@dataclass(frozen=True)
class Step:
    """What one look decides."""

    rollout: Rollout
    changed: tuple[Member, ...] = ()
    """Members that are not as they were, new ones included."""

    admit: tuple[bytes, ...] = ()
    """Agents to be told what is new."""

    put_back: tuple[bytes, ...] = ()
    """Agents to be told what was before: they failed, were late, have not begun in time, or do not belong to it."""


def step(
    plan: Plan,
    rollout: Rollout,
    members: Mapping[bytes, Member],
    sights: Mapping[bytes, Sight],
    *,
    now: datetime,
    seed: bytes,
) -> Step:
    """
    Look once.

    Args:
        plan: What the rollout may do.

        rollout: Where it stands.

        members: Every agent that was ever seen in it.

        sights: Every agent that belongs to it now, as it looks.

        now: Time of the rows, never of two clocks.

        seed: Of this rollout, for the order.

    Returns:
        Nothing to do unless it lives. Applied as a whole or not at all, and then looked at again.
    """
    if rollout.state not in LIVING:
        return Step(rollout)
    view = _View(plan, rollout, dict(members), sights, now)
    view.see()
    view.halt_if_due()
    view.withdraw_if_closed()
    if view.rollout.state is State.HALTED and plan.rollback:
        view.put_failed_back()
    if view.rollout.state is State.RUNNING:
        view.go_on(seed)
    changed = tuple(member for uid, member in view.members.items() if members.get(uid) != member)
    return Step(view.rollout, changed, tuple(view.admit), tuple(view.put_back))


class _View:
    """One look, while it is being taken."""

    def __init__(
        self, plan: Plan, rollout: Rollout, members: dict[bytes, Member], sights: Mapping[bytes, Sight], now: datetime
    ) -> None:
        self.plan = plan
        self.rollout = rollout
        self.members = members
        self.sights = sights
        self.now = now
        self.admit: list[bytes] = []
        self.put_back: list[bytes] = []

    def see(self) -> None:
        """Take in who belongs to it, and how everybody fares."""
        for uid, member in self.members.items():
            sight = self.sights.get(uid)
            if sight is not None:
                seen = observe(member, sight, self.plan, self.now, self.rollout.round)
                self.members[uid] = seen
                if member.state is MemberState.ADMITTED and (seen.put_back or seen.state is MemberState.WAITING):
                    self.put_back.append(uid)
                continue
            self.members[uid] = lost(member, self.now, self.rollout.round)
            if member.state in IN_FLIGHT:
                self.put_back.append(uid)
        for uid in self.sights:
            if uid not in self.members:
                self.members[uid] = Member(uid, since=self.now)

    def halt_if_due(self) -> None:
        """Hold everything when too many failed, or most were lost, since it was last resumed."""
        if self.rollout.state is State.HALTED:
            return
        reason = self._too_many_failed() or self._too_many_lost()
        if reason:
            self.rollout = replace(self.rollout, state=State.HALTED, reason=reason)

    def _too_many_failed(self) -> str:
        this_round = [
            member
            for member in self.members.values()
            if member.state in (MemberState.FAILED, MemberState.ROLLED_BACK) and member.round == self.rollout.round
        ]
        size = max(1, self._size(self._stage) - self._failed_before())
        if self.plan.threshold.reached(len(this_round), size):
            return HALTED.format(failed=len(this_round), size=size)
        return ""

    def _too_many_lost(self) -> str:
        """
        Say whether the ground has gone: who it is for was switched off, narrowed or taken over by somebody else.

        Those that are left would be all there is, and it would end as if the others had been asked.
        """
        if self.members and not self.sights:
            return DESERTED
        out = sum(
            member.state is MemberState.LEFT_OUT and member.error == OUT and member.round == self.rollout.round
            for member in self.members.values()
        )
        return LOST.format(lost=out, left=len(self.sights)) if out > len(self.sights) else ""

    def withdraw_if_closed(self) -> None:
        """Let nobody begin while nobody may, not even who was admitted before."""
        if self.rollout.state is State.RUNNING and self._is_open():
            return
        for uid, member in self.members.items():
            if member.state is MemberState.ADMITTED and not has_begun(self.sights[uid]):
                self.members[uid] = withdrawn(member, self.now)
                self.put_back.append(uid)

    def put_failed_back(self) -> None:
        """Tell those that failed to go back to what they had."""
        for uid, member in self.members.items():
            if member.state is MemberState.FAILED and not member.put_back:
                self.members[uid] = replace(member, put_back=True)
                self.put_back.append(uid)

    def go_on(self, seed: bytes) -> None:
        """Go to the stage it is due at, and admit whom the plan allows."""
        waiting = [
            uid
            for uid, member in self.members.items()
            if member.state is MemberState.WAITING and self.sights[uid].connected
        ]
        candidates = self._candidates(waiting)
        while not candidates and self._is_over():
            if self.rollout.stage + 1 == len(self.plan.stages):
                self._complete()
                return
            self.rollout = replace(self.rollout, stage=self.rollout.stage + 1, stage_since=self.now)
            candidates = self._candidates(waiting)
        self._admit(candidates, seed)

    @property
    def _stage(self) -> Stage:
        return self.plan.stages[self.rollout.stage]

    def _is_open(self) -> bool:
        return self.plan.window is None or self.plan.window.is_open(self.now)

    def _admit(self, candidates: Sequence[bytes], seed: bytes) -> None:
        in_flight = self._count(*IN_FLIGHT)
        reason = ""
        if not candidates and not in_flight:
            reason = NOBODY
        elif candidates and not self._is_open():
            reason, candidates = CLOSED, ()
        self.rollout = replace(self.rollout, reason=reason)
        room = min(self.plan.max_in_flight - in_flight, self._room())
        if room <= 0 or not candidates:
            return
        for uid in in_order(candidates, seed)[:room]:
            admitted = moved(self.members[uid], MemberState.ADMITTED, self.now)
            self.members[uid] = replace(admitted, stage=self.rollout.stage, put_back=False)
            self.admit.append(uid)

    def _candidates(self, waiting: Sequence[bytes]) -> list[bytes]:
        """List who could be admitted at this stage if nothing else held it."""
        if self._room() <= 0:
            return []
        return [uid for uid in waiting if self._stage.admits(self.sights[uid].labels)]

    def _room(self) -> int:
        return self._size(self._stage) - self._count(*TOUCHED)

    def _size(self, stage: Stage) -> int:
        """Tell how many agents a stage and all before it have; never fewer than were admitted already."""
        touched = self._count(*TOUCHED)
        if stage.percent is not None:
            # Settled members that left the fleet still count: they were asked, and answered.
            everybody = touched + self._count(MemberState.WAITING)
            return max(touched, -(-everybody * stage.percent // EVERYBODY))
        matching = sum(
            stage.admits(self.sights[uid].labels)
            for uid, member in self.members.items()
            if member.state is MemberState.WAITING
        )
        return touched + matching

    def _is_over(self) -> bool:
        """
        Say whether a stage is done with, nobody being left to admit.

        A stage without agents proves nothing, so a rollout never walks through its stages because the fleet happens
        to be away. Absent agents are waited for, and left behind after a while only where most were there and some
        succeeded.
        """
        if self._count(*IN_FLIGHT):
            return False
        touched, missing = self._count(*TOUCHED), self._room()
        if touched and missing <= 0:
            return True
        since = self.rollout.stage_since or self.now
        waited = self.now >= since + timedelta(seconds=self.plan.timeout_seconds)
        return waited and touched > missing and self._count(MemberState.SUCCEEDED) > 0

    def _complete(self) -> None:
        for uid, member in self.members.items():
            if member.state is MemberState.WAITING:
                self.members[uid] = replace(moved(member, MemberState.LEFT_OUT, self.now), error=ABSENT)
        self.rollout = replace(self.rollout, state=State.COMPLETED, reason="")

    def _failed_before(self) -> int:
        return sum(
            member.state in (MemberState.FAILED, MemberState.ROLLED_BACK) and member.round < self.rollout.round
            for member in self.members.values()
        )

    def _count(self, *states: MemberState) -> int:
        counted = Counter(member.state for member in self.members.values())
        return sum(counted[state] for state in states)
