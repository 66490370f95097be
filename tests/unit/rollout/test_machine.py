"""The machine on a fleet that can be told how to behave."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from rollout.machine import CLOSED, DESERTED, LOST, NOBODY, step
from rollout.members import ABSENT, Member, MemberState
from rollout.plan import Plan, Stage, Threshold
from rollout.sight import Sight, Stand
from rollout.state import Rollout, State, resume, start
from rollout.window import Window

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PLAN = Plan(
    (Stage(percent=10), Stage(percent=50), Stage(percent=100)),
    max_in_flight=20,
    watch_seconds=60,
    timeout_seconds=600,
    threshold=Threshold(percent=10),
)


@dataclass
class World:
    """Agents and the rollout among them; what is admitted is done at once, unless it is one of the bad."""

    plan: Plan
    agents: dict[bytes, Sight]
    bad: frozenset[bytes] = frozenset()
    rollout: Rollout = field(default_factory=lambda: start(Rollout(), T0))
    members: dict[bytes, Member] = field(default_factory=dict)
    now: datetime = T0
    admitted: list[bytes] = field(default_factory=list)
    put_back: list[bytes] = field(default_factory=list)
    most: int = 0

    def look(self, seconds: float = 0) -> None:
        """Let time pass, look once, and let the agents follow."""
        self.now += timedelta(seconds=seconds)
        found = step(self.plan, self.rollout, self.members, self.agents, now=self.now, seed=b"seed")
        self.rollout = found.rollout
        self.members |= {member.uid: member for member in found.changed}
        self.admitted += found.admit
        self.put_back += found.put_back
        self.most = max(self.most, self.count(MemberState.ADMITTED, MemberState.WATCHING))
        for uid in found.admit:
            failed = uid in self.bad
            stand, error = (Stand.FAILED, "no space left") if failed else (Stand.DONE, "")
            self.agents[uid] = replace(self.agents[uid], stand=stand, error=error)
        for uid in found.put_back:
            if uid in self.agents:
                self.agents[uid] = replace(self.agents[uid], stand=Stand.BACK, error="")

    def until_it_rests(self, seconds: float = 30, looks: int = 500) -> None:
        """Look until nothing changes any more."""
        for _ in range(looks):
            if self.rollout.state is not State.RUNNING:
                break
            self.look(seconds)

    def count(self, *states: MemberState) -> int:
        """Count members."""
        return sum(member.state in states for member in self.members.values())


def fleet(number: int, **sight: object) -> dict[bytes, Sight]:
    """Make so many agents."""
    return {value.to_bytes(16, "big"): replace(Sight(), **sight) for value in range(number)}  # type: ignore[arg-type] # as named


def test_stage_after_stage_to_the_end() -> None:
    """Each stage is over before the next begins, and in the end everybody has it."""
    world = World(PLAN, fleet(100))

    world.look()
    assert (len(world.admitted), world.rollout.stage) == (10, 0)
    world.look(30)
    world.look(30)
    assert len(world.admitted) == 10
    world.look(60)
    assert (world.rollout.stage, len(world.admitted)) == (1, 30)
    world.until_it_rests()

    assert world.rollout.state is State.COMPLETED
    assert world.count(MemberState.SUCCEEDED) == 100
    assert world.most == 20


def test_too_many_failures_halt_it_and_only_they_go_back() -> None:
    """One of ten is ten per cent; those under way end, nobody new begins."""
    world = World(PLAN, fleet(100))
    world.look()
    world.bad = frozenset()
    bad = world.admitted[0]
    world.agents[bad] = replace(world.agents[bad], stand=Stand.FAILED, error="no space left")

    world.look(1)
    assert (world.rollout.state, world.rollout.reason) == (State.HALTED, "1 of 10 agents failed")
    assert world.put_back == [bad]
    for _ in range(5):
        world.look(60)

    assert len(world.admitted) == 10
    assert (world.count(MemberState.SUCCEEDED), world.count(MemberState.ROLLED_BACK)) == (9, 1)
    assert world.put_back == [bad]
    assert world.members[bad].error == "no space left"


def test_without_rollback_the_failed_stay_as_they_are() -> None:
    """Somebody wants to look at them."""
    world = World(replace(PLAN, rollback=False, threshold=Threshold(count=1)), fleet(10))
    world.look()
    world.agents[world.admitted[0]] = Sight(Stand.FAILED, error="x")
    world.look(1)

    assert (world.rollout.state, world.put_back) == (State.HALTED, [])


def test_resumed_it_goes_on_with_the_rest() -> None:
    """Failures of before do not count again; those of after do, and halt it again."""
    agents = fleet(100)
    world = World(replace(PLAN, threshold=Threshold(count=3)), agents, bad=frozenset(list(agents)[::4]))
    halts = 0
    world.until_it_rests()
    while world.rollout.state is State.HALTED:
        halts += 1
        assert len({uid for uid in world.admitted if uid in world.bad}) >= 3 * halts
        world.rollout = resume(world.rollout, world.now)
        world.until_it_rests()

    assert world.rollout.state is State.COMPLETED
    assert halts >= 2
    assert world.count(MemberState.SUCCEEDED) == 75
    assert len(world.admitted) == len(set(world.admitted)) == 100


def test_closed_window_admits_nobody_and_says_so() -> None:
    """What has begun goes on; with the window open the rest follows."""
    world = World(replace(PLAN, window=Window("UTC", ("fri",), "20:00", "24:00")), fleet(100))

    world.look()
    assert (world.admitted, world.rollout.reason) == ([], CLOSED)
    world.look(8 * 3600)
    assert (len(world.admitted), world.rollout.reason) == (10, "")
    world.look(4 * 3600)
    world.look(60)
    assert (len(world.admitted), world.count(MemberState.SUCCEEDED)) == (10, 10)
    assert world.rollout.reason == CLOSED


def test_stage_by_labels() -> None:
    """Only those with the labels, all of them, before anybody else."""
    agents = fleet(20)
    canaries = frozenset(list(agents)[:3])
    agents |= {uid: Sight(labels={"ring": "canary"}) for uid in canaries}
    world = World(replace(PLAN, stages=(Stage(selector={"ring": "canary"}), Stage(percent=100))), agents)

    world.look()
    assert set(world.admitted) == canaries
    world.until_it_rests()
    assert world.count(MemberState.SUCCEEDED) == 20


def test_fleet_that_is_away_is_waited_for() -> None:
    """However long: a rollout never walks through its stages because nobody is there."""
    world = World(PLAN, fleet(100, connected=False))
    for _ in range(50):
        world.look(600)

    assert (world.rollout.state, world.rollout.stage, world.rollout.reason) == (State.RUNNING, 0, NOBODY)
    empty = World(PLAN, {})
    for _ in range(50):
        empty.look(600)
    assert (empty.rollout.state, empty.rollout.stage) == (State.RUNNING, 0)


def test_most_of_the_fleet_leaving_in_the_middle_is_waited_for() -> None:
    """What succeeded on a few is not brought to the many who were away."""
    world = World(PLAN, fleet(100))
    world.look()
    world.agents = {
        uid: sight if uid in world.admitted else replace(sight, connected=False) for uid, sight in world.agents.items()
    }
    for _ in range(50):
        world.look(600)

    assert (world.rollout.state, world.rollout.stage) == (State.RUNNING, 1)


def asleep_after_admission(plan: Plan) -> tuple[World, list[bytes]]:
    """Admit five agents, of which two have begun and three sleep."""
    world = World(replace(plan, stages=(Stage(percent=100),), max_in_flight=5), fleet(20))
    world.look()
    begun, asleep = world.admitted[:2], world.admitted[2:]
    for uid in begun:
        world.agents[uid] = Sight(Stand.UNDERWAY)
    for uid in asleep:
        world.agents[uid] = Sight(connected=False)
    return world, asleep


def test_nobody_begins_while_it_is_held() -> None:
    """Paused or halted, with rollback or without: who was admitted and has not begun waits again."""
    for state in (State.PAUSED, State.HALTED):
        world, asleep = asleep_after_admission(replace(PLAN, rollback=False))
        world.rollout = replace(world.rollout, state=state)
        world.look(1)

        assert sorted(world.put_back) == sorted(asleep)
        assert world.count(MemberState.ADMITTED) == 2
        assert {world.members[uid].state for uid in asleep} == {MemberState.WAITING}
        for uid in asleep:
            world.agents[uid] = Sight()
        world.look(1)
        assert len(world.admitted) == 5

        world.rollout = resume(world.rollout, world.now)
        world.look(1)
        assert len(world.admitted) == 8


def test_nobody_begins_outside_the_window() -> None:
    """Whoever opens the lid at noon waits for the night, although it was admitted in the last one."""
    world, asleep = asleep_after_admission(replace(PLAN, window=Window("UTC", ("fri",), "11:00", "12:05")))
    world.look(299)
    assert world.put_back == []

    world.look(1)

    assert sorted(world.put_back) == sorted(asleep)
    assert world.count(MemberState.ADMITTED) == 2


def test_sleepers_make_room_and_late_ones_are_put_back() -> None:
    """After the timeout no more have begun, or may begin, than may be under way; sleep alone halts nothing."""
    world, asleep = asleep_after_admission(replace(PLAN, rollback=False, threshold=Threshold(count=10)))

    world.look(600)

    assert set(world.put_back) == set(world.admitted[:5])
    assert {world.members[uid].state for uid in asleep} == {MemberState.WAITING}
    assert world.count(MemberState.FAILED) == 2
    assert len(world.admitted) == 10
    assert not set(world.admitted[5:]) & set(world.admitted[:5])


def test_switched_off_in_the_middle_is_no_end() -> None:
    """Ten have it, ten are under way, nobody belongs to it any more: it holds, and goes on when they are back."""
    world = World(PLAN, fleet(100))
    while len(world.admitted) < 30:
        world.look(30)
    agents, world.agents = world.agents, {}

    world.look(1)
    assert (world.rollout.state, world.rollout.reason) == (State.HALTED, DESERTED)
    world.rollout = resume(world.rollout, world.now)
    world.look(1)
    assert world.rollout.state is State.HALTED

    world.agents = agents
    world.rollout = resume(world.rollout, world.now)
    world.until_it_rests()
    assert world.rollout.state is State.COMPLETED
    assert world.count(MemberState.SUCCEEDED) == 100


def test_the_last_one_leaving_is_no_end_either() -> None:
    """All have succeeded; but the ground is gone, and what it would become nobody knows."""
    world = World(replace(PLAN, stages=(Stage(percent=100),), max_in_flight=100), fleet(10))
    world.look()
    world.look(1)
    world.agents.clear()

    world.look(100)

    assert world.rollout.state is State.HALTED


def test_most_of_the_fleet_lost_holds_it_until_somebody_goes_on_with_the_rest() -> None:
    """Re-labelled, or taken over by another assignment; half of it or fewer is the way of the world."""
    world = World(PLAN, fleet(100))
    world.look()
    waiting = [uid for uid in world.agents if uid not in world.admitted]
    for uid in waiting[:50]:
        del world.agents[uid]
    world.look(1)
    assert (world.rollout.state, world.rollout.reason) == (State.RUNNING, "")
    del world.agents[waiting[50]]
    world.look(1)
    assert world.rollout.state is State.HALTED

    assert world.rollout.reason == LOST.format(lost=51, left=49)
    world.rollout = resume(world.rollout, world.now)
    world.until_it_rests()
    assert (world.rollout.state, world.count(MemberState.SUCCEEDED)) == (State.COMPLETED, 49)


def test_few_absent_agents_are_left_behind() -> None:
    """After the timeout; before that they may still come."""
    agents = fleet(100)
    absent = list(agents)[:7]
    world = World(PLAN, agents | {uid: Sight(connected=False) for uid in absent})
    world.until_it_rests(seconds=30)

    assert world.rollout.state is State.COMPLETED
    assert world.count(MemberState.SUCCEEDED) == 93
    assert {world.members[uid].error for uid in absent} == {ABSENT}


def test_absent_agents_are_replaced_in_a_share() -> None:
    """Ten per cent of the fleet are ten that are there."""
    agents = fleet(100)
    world = World(PLAN, agents | {uid: Sight(connected=False) for uid in list(agents)[:50]})

    world.look()

    assert len(world.admitted) == 10


def test_newcomers_and_leavers() -> None:
    """Who joins waits for its turn; who leaves while under way is told what was before, and is out."""
    world = World(replace(PLAN, stages=(Stage(percent=100),), max_in_flight=5), fleet(5))
    world.look()
    gone = world.admitted[0]
    del world.agents[gone]
    newcomer = b"n" * 16
    world.agents[newcomer] = Sight()

    world.look(1)

    assert world.members[gone].state is MemberState.LEFT_OUT
    assert world.put_back == [gone]
    assert newcomer in world.admitted


def test_one_look_admits_at_once_after_a_stage_ends() -> None:
    """No look is wasted on going from stage to stage, and an empty stage later on is passed."""
    stages = (Stage(percent=10), Stage(selector={"nobody": "has"}), Stage(percent=11), Stage(percent=100))
    world = World(replace(PLAN, stages=stages, watch_seconds=0), fleet(10))
    world.look()
    world.look(1)
    world.look(1)

    assert (world.rollout.stage, len(world.admitted)) == (2, 2)


def test_a_paused_rollout_halts_as_well() -> None:
    """Those under way may fail while nobody is admitted."""
    world = World(PLAN, fleet(100))
    world.look()
    world.rollout = replace(world.rollout, state=State.PAUSED)
    for uid in world.admitted[:3]:
        world.agents[uid] = Sight(Stand.FAILED, error="x")
    world.look(1)

    assert world.rollout.state is State.HALTED
    assert len(world.admitted) == 10


def test_ended_and_unbegun_rollouts_do_nothing() -> None:
    """Whatever the fleet shows."""
    for state in (State.DRAFT, State.COMPLETED, State.ABORTED):
        found = step(PLAN, Rollout(state), {}, fleet(3), now=T0, seed=b"")
        assert (found.changed, found.admit, found.rollout) == ((), (), Rollout(state))
