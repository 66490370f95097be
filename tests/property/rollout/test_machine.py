"""Whatever a fleet does and people want, the machine keeps to its plan."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout import (
    Member,
    MemberState,
    NotNowError,
    Plan,
    Rollout,
    Sight,
    Stage,
    Stand,
    State,
    Step,
    Threshold,
    Window,
    abort,
    pause,
    resume,
    start,
    step,
)
from rollout.machine import NOBODY
from rollout.members import ABSENT, IN_FLIGHT, LATE, OUT, SETTLED, TOUCHED
from rollout.plan import problems_of
from rollout.state import ENDED
from rollout.window import DAYS

T0 = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
"""Half a day before clocks change in Berlin."""

SEED = b"seed"
FAILED = frozenset((MemberState.FAILED, MemberState.ROLLED_BACK))
LABELS = st.fixed_dictionaries({"ring": st.sampled_from(["canary", "early", "rest"])})

stages = st.lists(st.integers(1, 99), unique=True, max_size=4).flatmap(
    lambda shares: st.tuples(
        st.lists(st.sampled_from(["canary", "early", "nobody"]), unique=True, max_size=2),
        st.just([Stage(percent=share) for share in [*sorted(shares), 100]]),
    ).map(lambda both: (*(Stage(selector={"ring": ring}) for ring in both[0]), *both[1]))
)
windows = st.none() | st.builds(
    Window,
    st.sampled_from(["Europe/Berlin", "UTC", "America/St_Johns", "Australia/Lord_Howe"]),
    st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple),
    st.sampled_from(["00:00", "02:15", "22:00"]),
    st.sampled_from(["02:45", "06:00", "24:00"]),
)
plans = st.builds(
    Plan,
    stages=stages,
    max_in_flight=st.integers(1, 6),
    watch_seconds=st.sampled_from([0, 60]),
    timeout_seconds=st.sampled_from([60, 600]),
    threshold=st.builds(Threshold, percent=st.integers(1, 100)) | st.builds(Threshold, count=st.integers(1, 8)),
    window=windows,
    rollback=st.booleans(),
)
sights = st.builds(
    Sight, st.sampled_from(Stand), connected=st.booleans(), healthy=st.booleans(), error=st.just("x"), labels=LABELS
)
moves: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    st.tuples(st.just("look"), st.sampled_from([0, 30, 90, 3600, 12 * 3600])),
    st.tuples(st.just("shows"), st.integers(0, 14), st.none() | sights),
    st.tuples(st.just("obeys"), st.booleans()),
    st.tuples(st.sampled_from(["pause", "resume", "abort"])),
)


@dataclass
class Fleet:
    """A rollout, its rows, and agents that do what they like."""

    plan: Plan
    agents: dict[bytes, Sight]
    rollout: Rollout = field(default_factory=lambda: start(Rollout(), T0))
    members: dict[bytes, Member] = field(default_factory=dict)
    now: datetime = T0
    looks: list[tuple[Rollout, dict[bytes, Member], Step, datetime]] = field(default_factory=list)
    shown: list[dict[bytes, Sight]] = field(default_factory=list)
    """What agents showed at each look."""

    def look(self, seconds: float) -> Step:
        """Look once, and keep what was before beside what came of it."""
        self.now += timedelta(seconds=seconds)
        before = (self.rollout, dict(self.members))
        found = step(self.plan, self.rollout, self.members, self.agents, now=self.now, seed=SEED)
        self.rollout = found.rollout
        self.members |= {member.uid: member for member in found.changed}
        self.looks.append((*before, found, self.now))
        self.shown.append(dict(self.agents))
        return found

    def obey(self, *, well: bool) -> None:
        """Let every agent do what it was told, or fail at it."""
        for uid, member in self.members.items():
            if uid not in self.agents:
                continue
            if member.put_back:
                self.agents[uid] = replace(self.agents[uid], stand=Stand.BACK, connected=True)
            elif member.state in IN_FLIGHT:
                stand = Stand.DONE if well else Stand.FAILED
                self.agents[uid] = replace(self.agents[uid], stand=stand, connected=True, healthy=True)

    def does(self, name: str) -> None:
        """Let somebody do something; what is not possible now changes nothing."""
        try:
            if name == "abort":
                self.rollout, changed = abort(self.rollout, self.members, self.now)
                self.members |= {member.uid: member for member in changed}
            else:
                self.rollout = pause(self.rollout) if name == "pause" else resume(self.rollout, self.now)
        except NotNowError:
            return

    def count(self, states: frozenset[MemberState]) -> int:
        """Count members."""
        return sum(member.state in states for member in self.members.values())


@st.composite
def histories(draw: st.DrawFn) -> Fleet:
    """Draw a plan, a fleet, and what happens to them; every look is kept."""
    plan = draw(plans)
    assert problems_of(plan) == [] or plan.window is not None
    shown = draw(st.lists(sights, min_size=0, max_size=15))
    fleet = Fleet(plan, {bytes([number]) * 16: replace(sight) for number, sight in enumerate(shown)})
    for kind, *rest in draw(st.lists(moves, max_size=25)):
        if kind == "look":
            fleet.look(rest[0])
        elif kind == "obeys":
            fleet.obey(well=rest[0])
        elif kind == "shows":
            uid = bytes([rest[0]]) * 16
            if rest[1] is None:
                fleet.agents.pop(uid, None)
            else:
                fleet.agents[uid] = rest[1]
        else:
            fleet.does(kind)
    return fleet


@st.composite
def trials(draw: st.DrawFn) -> Fleet:
    """Draw a fleet that does what it is told, agents that fail at it one by one, and people who go on all the same."""
    plan = replace(draw(plans), window=None, max_in_flight=draw(st.integers(1, 15)), watch_seconds=0)
    labels = draw(st.lists(LABELS, min_size=1, max_size=15))
    fleet = Fleet(plan, {bytes([number]) * 16: Sight(labels=label) for number, label in enumerate(labels)})
    for fails in draw(st.lists(st.sets(st.integers(0, 14), max_size=3), max_size=20)):
        fleet.look(1)
        under_way = sorted(uid for uid, member in fleet.members.items() if member.state is MemberState.ADMITTED)
        for number, uid in enumerate(under_way):
            stand = Stand.FAILED if number in fails else Stand.DONE
            fleet.agents[uid] = replace(fleet.agents[uid], stand=stand)
        if fleet.rollout.state is State.HALTED:
            fleet.does("resume")
    return fleet


@given(histories())
def test_never_more_in_flight_than_planned(fleet: Fleet) -> None:
    """However many replicas look, however often."""
    members: dict[bytes, Member] = {}
    for _, before, found, _ in fleet.looks:
        members = before | {member.uid: member for member in found.changed}
        in_flight = sum(member.state in IN_FLIGHT for member in members.values())
        if found.admit:
            assert in_flight <= fleet.plan.max_in_flight


@given(histories())
def test_nobody_is_admitted_while_it_is_held_or_the_window_is_closed(fleet: Fleet) -> None:
    """Paused, halted, ended, or not yet the hour."""
    for before, _, found, now in fleet.looks:
        if not found.admit:
            continue
        assert before.state is State.RUNNING
        assert found.rollout.state is State.RUNNING
        assert fleet.plan.window is None or fleet.plan.window.is_open(now)


@given(histories())
def test_whoever_is_admitted_was_there_and_waited(fleet: Fleet) -> None:
    """Nobody is told twice, and nobody who would not hear it."""
    for _, before, found, _ in fleet.looks:
        assert len(set(found.admit)) == len(found.admit)
        for uid in found.admit:
            assert before.get(uid, Member(uid)).state in (MemberState.WAITING, MemberState.LEFT_OUT)


@given(histories())
def test_shares_are_kept(fleet: Fleet) -> None:
    """At no stage have more been asked than its share, unless the fleet shrank meanwhile."""
    for _, before, found, _ in fleet.looks:
        stage = fleet.plan.stages[found.rollout.stage]
        if not found.admit or stage.percent is None:
            continue
        members = before | {member.uid: member for member in found.changed}
        states = [member.state for member in members.values()]
        asked = sum(state not in (MemberState.WAITING, MemberState.LEFT_OUT) for state in states)
        waiting = states.count(MemberState.WAITING)
        assert asked <= -(-(asked + waiting) * stage.percent // 100)


def judged(before: dict[bytes, Member], found: Step) -> dict[bytes, Member]:
    """Tell how members stood when the threshold was judged: whoever was admitted or left behind after that waited."""
    members = before | {member.uid: member for member in found.changed}
    after = set(found.admit) | {
        member.uid for member in found.changed if (member.state, member.error) == (MemberState.LEFT_OUT, ABSENT)
    }
    return {
        uid: replace(member, state=MemberState.WAITING) if uid in after else member for uid, member in members.items()
    }


def size_of(stage: Stage, members: dict[bytes, Member], agents: dict[bytes, Sight]) -> int:
    """Count, as a person would, whom a stage and all before it have: whoever was asked, and whoever still may be."""
    asked = sum(member.state in TOUCHED for member in members.values())
    waiting = [uid for uid, member in members.items() if member.state is MemberState.WAITING]
    if stage.percent is None:
        return asked + sum(agents[uid].labels["ring"] == stage.selector["ring"] for uid in waiting)
    return max(asked, math.ceil(Fraction((asked + len(waiting)) * stage.percent, 100)))


@given(histories() | trials())
def test_threshold_halts(fleet: Fleet) -> None:
    """
    It halts exactly when too many of its round failed: by count, and by share of those not counted before.

    Ending is no halt: a rollout that completed with too many failures would bring them to everybody.
    """
    for (before, earlier, found, _), agents in zip(fleet.looks, fleet.shown, strict=True):
        if before.state not in (State.RUNNING, State.PAUSED):
            continue
        members = judged(earlier, found)
        failed = [member for member in members.values() if member.state in FAILED]
        now = sum(member.round == before.round for member in failed)
        # Those whose admission was taken back counted as asked, unless they had been away for too long.
        withdrawn = {uid for uid in found.put_back if members[uid].state is MemberState.WAITING}
        asked = {
            uid: replace(each, state=MemberState.ADMITTED) if uid in withdrawn else each
            for uid, each in members.items()
        }
        stage, earlier_rounds = fleet.plan.stages[before.stage], len(failed) - now
        sizes = [max(1, size_of(stage, each, agents) - earlier_rounds) for each in (members, asked)]
        must, may = (
            now > 0 and (now >= limit if limit is not None else now * 100 >= (fleet.plan.threshold.percent or 0) * size)
            for limit, size in ((fleet.plan.threshold.count, max(sizes)), (fleet.plan.threshold.count, min(sizes)))
        )
        if must:
            assert found.rollout.state is State.HALTED
            assert not found.admit
        if found.rollout.state is State.HALTED:
            assert may or not agents or "do not belong" in found.rollout.reason


@given(histories())
def test_it_never_completes_on_lost_ground(fleet: Fleet) -> None:
    """Whoever ends has agents, and no more of them were lost than are left since somebody last went on."""
    for (_, earlier, found, _), agents in zip(fleet.looks, fleet.shown, strict=True):
        if found.rollout.state is not State.COMPLETED or not found.changed:
            continue
        members = earlier | {member.uid: member for member in found.changed}
        lost = sum(member.error == OUT and member.round == found.rollout.round for member in members.values())
        assert agents
        assert lost <= len(agents)


@given(histories())
def test_only_who_failed_or_left_is_put_back(fleet: Fleet) -> None:
    """Once each; those that failed only where the plan says so, or when they were late; or who has not begun."""
    for _, before, found, _ in fleet.looks:
        members = before | {member.uid: member for member in found.changed}
        for uid in found.put_back:
            assert members[uid].state in (MemberState.FAILED, MemberState.LEFT_OUT, MemberState.WAITING)
            if members[uid].state is MemberState.FAILED:
                assert fleet.plan.rollback or members[uid].error.startswith(LATE)
                assert not before[uid].put_back
            if members[uid].state is MemberState.WAITING:
                assert before[uid].state is MemberState.ADMITTED


@given(histories())
def test_nobody_who_may_not_begin_is_left_to_begin(fleet: Fleet) -> None:
    """After a look at which nobody may, whoever is still admitted has begun; what was taken back nobody keeps."""
    for (_, before, found, now), agents in zip(fleet.looks, fleet.shown, strict=True):
        members = before | {member.uid: member for member in found.changed}
        is_open = fleet.plan.window is None or fleet.plan.window.is_open(now)
        if found.rollout.state is State.RUNNING and is_open:
            continue
        if found.rollout.state not in ENDED:
            admitted = [uid for uid, member in members.items() if member.state is MemberState.ADMITTED]
            assert all(agents[uid].stand not in (Stand.ELSEWHERE, Stand.BACK) for uid in admitted)


@given(histories())
def test_looking_again_at_once_repeats_nothing(fleet: Fleet) -> None:
    """After a crash, or by a second replica: nobody is told the same thing twice."""
    looks = [fleet.look(0) for _ in range(4)]

    told = [(uid, what) for look in looks for what in ("admit", "put_back") for uid in getattr(look, what)]
    assert len(set(told)) == len(told)


@given(histories())
def test_order_of_rows_does_not_matter(fleet: Fleet) -> None:
    """The same rows and sights in another order give the same decisions."""
    members = dict(reversed(fleet.members.items()))
    agents = dict(reversed(fleet.agents.items()))

    one = step(fleet.plan, fleet.rollout, fleet.members, fleet.agents, now=fleet.now, seed=SEED)
    other = step(fleet.plan, fleet.rollout, members, agents, now=fleet.now, seed=SEED)

    assert (one.rollout, one.admit, set(one.put_back)) == (other.rollout, other.admit, set(other.put_back))
    assert {member.uid: member for member in one.changed} == {member.uid: member for member in other.changed}


@settings(deadline=None, max_examples=50)
@given(histories(), st.booleans())
def test_every_agent_ends_somewhere(fleet: Fleet, well: bool) -> None:
    """With agents that answer, windows that open and people who act on what it says, everybody is settled."""
    fleet.agents[b"z" * 16] = Sight()
    for _ in range(300):
        if fleet.rollout.state in ENDED:
            break
        for uid, sight in fleet.agents.items():
            fleet.agents[uid] = replace(sight, connected=True)
        fleet.obey(well=well)
        opening = fleet.plan.window.next_opening(fleet.now) if fleet.plan.window is not None else None
        fleet.look((opening - fleet.now).total_seconds() if opening is not None else 700)
        if fleet.rollout.state in (State.PAUSED, State.HALTED):
            fleet.does("resume")
        elif fleet.rollout.reason == NOBODY:
            fleet.does("abort")

    assert fleet.rollout.state in ENDED
    assert fleet.count(SETTLED) == len(fleet.members)
