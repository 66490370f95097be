from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_state.settings_reconcile import (
    DEFAULT_PATIENCE,
    REPORTS_STATUS,
    Reported,
    Situation,
    Standing,
    State,
    Wish,
    insist,
    plan,
)

HASHES = (b"1" * 32, b"2" * 32)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wish"), st.sampled_from((b"", *HASHES))),
        st.tuples(st.just("report"), st.sampled_from(list(Reported)), st.sampled_from((b"", *HASHES))),
        st.tuples(st.just("deliver")),
        st.tuples(st.just("go")),
        st.tuples(st.just("come"), st.booleans()),
        st.tuples(st.just("wait"), st.integers(min_value=0, max_value=400)),
        st.tuples(st.just("look")),
    ),
    max_size=60,
)

THERE = Situation(1, True, False, 0, b"", Reported.UNSET, "")  # noqa: FBT003 - connected, not withheld


@dataclass
class World:
    """An agent, a gateway and the time."""

    reports: bool
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    standing: Standing = field(default_factory=lambda: Standing("default", b"a" * 16))
    situation: Situation = THERE
    wish: bytes = b""
    waiting: bytes = b""
    """What the gateway was asked to deliver."""

    delivered: list[tuple[int, bytes]] = field(default_factory=list)
    """(connection, hash) of what reached the agent."""

    failed: bytes = b""
    """What the agent refused last, while it was what it should have."""

    def __post_init__(self) -> None:
        if self.reports:
            self.situation = replace(self.situation, capabilities=REPORTS_STATUS)

    def look(self) -> bool:
        """Decide, and check what must never be."""
        wish = Wish(self.wish)
        before = self.standing
        self.standing, is_due = plan(before, self.situation, wish, self.now)
        again, twice = plan(self.standing, self.situation, wish, self.now)
        assert again == self.standing, "looking twice must change nothing"
        assert not twice, "looking twice must not offer twice"
        if is_due:
            assert self.wish
            assert self.situation.connected
            assert not self.situation.withheld
            assert self.situation.reported_hash != self.wish, "the agent has it"
            assert self.failed != self.wish, "it was refused"
            self.waiting = self.wish
        return is_due

    def step(self, what: str, *values: object) -> None:
        """Let one thing happen."""
        match what, values:
            case "wish", (bytes(wish),):
                if wish != self.wish:
                    self.failed = b""
                self.wish = wish
            case "report", (Reported() as status, bytes(settings_hash)) if self.reports:
                self.situation = replace(self.situation, reported=status, reported_hash=settings_hash)
                if settings_hash == self.wish and status is Reported.FAILED:
                    self.failed = settings_hash
                elif settings_hash == self.wish:
                    self.failed = b""
            case "deliver", () if self.waiting and self.situation.connected:
                self.delivered.append((self.situation.epoch, self.waiting))
                self.standing = replace(
                    self.standing,
                    delivered_hash=self.waiting,
                    delivered_epoch=self.situation.epoch,
                    delivered_at=self.now,
                )
                self.waiting = b""
            case "go", ():
                self.situation = replace(self.situation, connected=False)
                self.waiting = b""
            case "come", (bool(withheld),):
                self.situation = replace(
                    self.situation, connected=True, withheld=withheld, epoch=self.situation.epoch + 1
                )
                self.waiting = b""
            case "wait", (int(seconds),):
                self.now += timedelta(seconds=seconds)
            case _:
                pass
        self.look()


@given(st.booleans(), STEPS)
@settings(max_examples=300, deadline=None)
def test_never_offered_in_vain(reports: bool, steps: list[tuple[object, ...]]) -> None:
    """Nobody who is away, unapproved, has it or refused it is offered anything; silent agents once per connection."""
    world = World(reports)
    for step in steps:
        world.step(str(step[0]), *step[1:])
        if not reports:
            per_connection = [entry for entry in world.delivered if entry[0] == world.situation.epoch]
            changes = sum(1 for one in steps if one[0] == "wish") + 1
            assert len(per_connection) <= changes


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_agent_that_takes_what_it_is_given_ends_applied(steps: list[tuple[object, ...]]) -> None:
    """Whatever came before: connected, told and willing, it has what it should have."""
    world = World(reports=True)
    for step in steps:
        world.step(str(step[0]), *step[1:])
    world.step("wish", HASHES[0])
    world.step("report", Reported.UNSET, b"")
    world.standing = insist(world.standing, world.now)
    if world.standing.state in (State.FAILED, State.TIMED_OUT):
        # A person asked, so the hash is another one.
        world.step("wish", b"3" * 32)
    world.step("come", False)  # noqa: FBT003 - not withheld
    for _ in range(20):
        if world.waiting:
            world.step("deliver")
            world.step("report", Reported.APPLIED, world.delivered[-1][1])
        world.step("wait", DEFAULT_PATIENCE.redo_most.seconds)

    assert world.standing.state is State.APPLIED
    assert world.standing.due_at is None
