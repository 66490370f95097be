"""How one agent moves on by what is seen of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.members import ABSENT, GONE, LATE, MAX_ERROR, OUT, UNHEALTHY, Member, MemberState, lost, observe
from rollout.plan import Plan, Stage, Threshold
from rollout.sight import Sight, Stand

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan((Stage(percent=100),), 10, watch_seconds=60, timeout_seconds=600, threshold=Threshold(count=1))
A = b"a" * 16
DONE = Sight(Stand.DONE)


def member(state: MemberState, **more: object) -> Member:
    """Make a member that came into its state at the beginning."""
    return replace(Member(A, state, T0), **more)  # type: ignore[arg-type]  # as each test names them


def after(seconds: float, was: Member, sight: Sight, current_round: int = 2) -> Member:
    """Look so many seconds after the beginning."""
    return observe(was, sight, PLAN, T0 + timedelta(seconds=seconds), current_round)


def test_admitted_then_watched_then_succeeded() -> None:
    """Done is not success: it has to be well for a while."""
    watched = after(5, member(MemberState.ADMITTED), DONE)
    assert (watched.state, watched.since) == (MemberState.WATCHING, T0 + timedelta(seconds=5))

    assert after(64, watched, DONE) == watched
    assert after(65, watched, DONE).state is MemberState.SUCCEEDED


def test_who_never_begins_or_never_ends_is_late() -> None:
    """Nobody is in flight for ever; what it may still do is taken back, for nobody would watch it."""
    for sight in (Sight(), Sight(Stand.UNDERWAY), Sight(Stand.UNDERWAY, connected=False), Sight(Stand.BACK)):
        assert after(599, member(MemberState.ADMITTED), sight).state is MemberState.ADMITTED
        found = after(600, member(MemberState.ADMITTED), sight)
        assert (found.state, found.error, found.round) == (MemberState.FAILED, LATE, 2)
        assert found.put_back


@pytest.mark.parametrize("stand", [Stand.ELSEWHERE, Stand.BACK])
def test_who_went_away_before_it_heard_of_it_waits_again(stand: Stand) -> None:
    """A lid that was closed is no failure, and it does not begin at whatever hour the lid is opened."""
    was = member(MemberState.ADMITTED, stage=1)

    assert after(599, was, Sight(stand, connected=False)) == was
    found = after(600, was, Sight(stand, connected=False))
    assert (found.state, found.stage, found.error) == (MemberState.WAITING, None, "")


@pytest.mark.parametrize("state", [MemberState.ADMITTED, MemberState.WATCHING])
def test_failures_are_kept_in_the_agents_words(state: MemberState) -> None:
    """Cut to what a row holds."""
    found = after(1, member(state), Sight(Stand.FAILED, error="x" * 5000))

    assert (found.state, found.error) == (MemberState.FAILED, "x" * MAX_ERROR)


def test_health_is_judged_when_the_watch_ends() -> None:
    """Many an agent is unwell while it starts; at the end of the watch it counts."""
    watched = member(MemberState.WATCHING)
    unwell = Sight(Stand.DONE, healthy=False, error="no exporter")

    assert after(30, watched, unwell) == watched
    found = after(60, watched, unwell)
    assert (found.state, found.error) == (MemberState.FAILED, f"{UNHEALTHY}: no exporter")


def test_who_is_gone_while_watched_is_waited_for() -> None:
    """It may be restarting; after the timeout it is lost."""
    watched, away = member(MemberState.WATCHING), Sight(Stand.DONE, connected=False)

    assert after(659, watched, away) == watched
    assert after(659, watched, DONE).state is MemberState.SUCCEEDED
    assert after(660, watched, away).error == GONE


def test_who_gets_there_after_all_has_succeeded() -> None:
    """Somebody asked for another try; unless it was told to go back."""
    was = member(MemberState.FAILED, error="slow")

    found = after(1, was, DONE)
    assert (found.state, found.error) == (MemberState.SUCCEEDED, "")
    assert after(1, replace(was, put_back=True), DONE).state is MemberState.FAILED


def test_put_back_and_back() -> None:
    """Rolled back once it is seen there; the reason stays."""
    was = member(MemberState.FAILED, error="broken", put_back=True)

    found = after(1, was, Sight(Stand.BACK))
    assert (found.state, found.error) == (MemberState.ROLLED_BACK, "broken")
    assert after(1, replace(was, put_back=False), Sight(Stand.BACK)).state is MemberState.FAILED


def test_who_leaves_is_left_out_and_may_come_again() -> None:
    """Who is settled stays as it is."""
    gone = lost(member(MemberState.ADMITTED, stage=1), T0, 2)
    assert (gone.state, gone.error, gone.round) == (MemberState.LEFT_OUT, OUT, 2)
    assert lost(member(MemberState.SUCCEEDED), T0, 2) == member(MemberState.SUCCEEDED)

    again = after(1, gone, Sight())
    assert (again.state, again.error, again.stage) == (MemberState.WAITING, "", None)


@pytest.mark.parametrize("state", [MemberState.WAITING, MemberState.SUCCEEDED, MemberState.ROLLED_BACK])
def test_nothing_moves_those_that_wait_or_are_done(state: MemberState) -> None:
    """Whatever they show."""
    for stand in Stand:
        assert after(10**6, member(state), Sight(stand, error=ABSENT)) == member(state)
