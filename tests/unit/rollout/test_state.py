"""What people may do to a rollout, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from rollout.members import Member, MemberState
from rollout.state import ABORTED, NotNowError, Rollout, State, abort, pause, resume, start

T0 = datetime(2026, 1, 1, tzinfo=UTC)
LATER = T0 + timedelta(hours=1)
DO: dict[str, Callable[[Rollout], Rollout]] = {
    "start": lambda rollout: start(rollout, LATER),
    "pause": pause,
    "resume": lambda rollout: resume(rollout, LATER),
    "abort": lambda rollout: abort(rollout, {}, LATER)[0],
}
ALLOWED = {
    ("start", State.DRAFT): State.RUNNING,
    ("pause", State.RUNNING): State.PAUSED,
    ("resume", State.PAUSED): State.RUNNING,
    ("resume", State.HALTED): State.RUNNING,
    ("abort", State.RUNNING): State.ABORTED,
    ("abort", State.PAUSED): State.ABORTED,
    ("abort", State.HALTED): State.ABORTED,
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("deed", list(DO))
def test_what_is_allowed_in_which_state(deed: str, state: State) -> None:
    """The table above is the whole; everything else is refused with the state it is in."""
    rollout = Rollout(state)
    if (deed, state) in ALLOWED:
        assert DO[deed](rollout).state is ALLOWED[deed, state]
        return

    with pytest.raises(NotNowError) as caught:
        DO[deed](rollout)
    assert caught.value.state is state


def test_resuming_a_halted_rollout_counts_afresh() -> None:
    """Resuming a paused one does not: its failures are still those of this round."""
    halted = resume(Rollout(State.HALTED, stage=1, stage_since=T0, round=1, reason="too many"), LATER)
    paused = resume(Rollout(State.PAUSED, stage=1, stage_since=T0, round=1), LATER)

    assert (halted.round, halted.reason, halted.stage, halted.stage_since) == (2, "", 1, LATER)
    assert paused.round == 1


def test_aborting_puts_everybody_back() -> None:
    """Whoever was admitted is rolled back, the others are left out; who was so already stays as it was."""
    members = {
        bytes([number]): Member(bytes([number]), state, T0, error="x" if state is MemberState.FAILED else "")
        for number, state in enumerate(MemberState)
    }

    rollout, changed = abort(Rollout(State.RUNNING), members, LATER)

    assert (rollout.state, rollout.reason) == (State.ABORTED, ABORTED)
    found = {members[member.uid].state: member for member in changed}
    assert set(found) == set(MemberState) - {MemberState.LEFT_OUT, MemberState.ROLLED_BACK}
    assert found[MemberState.WAITING].state is MemberState.LEFT_OUT
    assert all(
        member.state is MemberState.ROLLED_BACK and member.put_back
        for state, member in found.items()
        if state is not MemberState.WAITING
    )
    assert found[MemberState.FAILED].error == "x"
