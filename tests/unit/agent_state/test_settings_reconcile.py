from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent_state.settings_reconcile import (
    DEFAULT_PATIENCE,
    REPORTS_STATUS,
    Reported,
    Situation,
    Standing,
    State,
    Wish,
    arrived,
    insist,
    is_due_on_arrival,
    plan,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)
H1, H2 = b"1" * 32, b"2" * 32


class Play:
    """One agent, told what happens; it keeps the time and what was offered."""

    def __init__(self, capabilities: int = REPORTS_STATUS) -> None:
        self.now = T0
        self.standing = Standing("default", b"a" * 16)
        self.situation = Situation(1, True, False, capabilities, b"", Reported.UNSET, "")  # noqa: FBT003 - connected
        self.wish = Wish(b"")
        self.offered: list[bytes] = []

    def wants(self, settings_hash: bytes) -> Play:
        """What it should have changes."""
        self.wish = Wish(settings_hash, ["p"] if settings_hash else [])
        return self.looks()

    def looks(self) -> Play:
        """Somebody looks at it."""
        self.standing, is_due = plan(self.standing, self.situation, self.wish, self.now)
        if is_due:
            self.offered.append(self.wish.desired_hash)
        return self

    def is_told(self) -> Play:
        """The last offer is delivered."""
        self.standing = replace(
            self.standing,
            delivered_hash=self.offered[-1],
            delivered_epoch=self.situation.epoch,
            delivered_at=self.now,
        )
        return self.looks()

    def says(self, status: Reported, settings_hash: bytes, error: str = "") -> Play:
        """It reports."""
        self.situation = replace(self.situation, reported=status, reported_hash=settings_hash, reported_error=error)
        return self.looks()

    def goes(self) -> Play:
        """It disconnects."""
        self.situation = replace(self.situation, connected=False)
        return self.looks()

    def comes(self) -> Play:
        """It connects again."""
        self.situation = replace(self.situation, connected=True, epoch=self.situation.epoch + 1)
        return self.looks()

    def later(self, seconds: float) -> Play:
        """Time passes, and it is looked at when it is due."""
        end = self.now + timedelta(seconds=seconds)
        for _ in range(20):
            due_at = self.standing.due_at
            if due_at is None or due_at > end:
                break
            self.now = max(self.now, due_at)
            self.looks()
        self.now = end
        return self

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.standing.state


def test_nothing_desired_is_nothing_done() -> None:
    """An agent no policy speaks of is left alone for ever."""
    play = Play().looks()

    assert (play.state, play.offered, play.standing.due_at) == (State.NONE, [], None)


def test_desired_is_offered_applied_and_done() -> None:
    """From the policy to the agent's word, and then nothing more."""
    play = Play().wants(H1)
    assert (play.state, play.offered) == (State.OFFERED, [H1])

    play.is_told().says(Reported.APPLYING, H1)
    assert play.state is State.APPLYING
    play.says(Reported.APPLIED, H1)

    assert (play.state, play.offered, play.standing.due_at) == (State.APPLIED, [H1], None)


def test_undelivered_offer_is_repeated_ever_more_slowly() -> None:
    """After 10, 20, 40 and then every 60 seconds."""
    play = Play().wants(H1).later(9)
    assert len(play.offered) == 1

    assert len(play.later(2).offered) == 2
    assert len(play.later(20).offered) == 3
    assert len(play.later(40).offered) == 4
    assert len(play.later(60).offered) == 5


def test_looking_again_does_not_offer_again() -> None:
    """Facts that have nothing to do with it do not hurry it."""
    play = Play().wants(H1)

    assert play.looks().looks().offered == [H1]


def test_failed_is_not_offered_until_it_changes() -> None:
    """What the agent refused is not pressed on it, also after it came back and spoke of something else (S-085)."""
    play = Play().wants(H1).is_told().says(Reported.FAILED, H1, "no")
    assert (play.state, play.standing.reported_error) == (State.FAILED, "no")

    play.goes().later(600).comes().says(Reported.APPLIED, H2).later(600)
    assert (play.state, play.offered) == (State.FAILED, [H1])

    play.wants(H2)
    assert (play.state, play.offered) == (State.APPLIED, [H1])


def test_retry_makes_failed_settings_new() -> None:
    """Only what failed or was not answered; the count becomes part of the hash elsewhere."""
    play = Play().wants(H1).is_told().says(Reported.FAILED, H1)

    again = insist(play.standing, play.now)
    assert (again.retries, again.due_at) == (1, play.now)
    happy = Play().wants(H1).is_told().says(Reported.APPLIED, H1).standing
    assert insist(happy, T0) is happy


def test_silence_is_met_with_patience_and_then_none() -> None:
    """Delivered and never reported: told again twice, then given up until the next connection."""
    play = Play().wants(H1).is_told()
    for count in (2, 3):
        play.later(60)
        assert (len(play.offered), play.state) == (count, State.TIMED_OUT)
        play.is_told()
    play.later(3600)
    assert (len(play.offered), play.state, play.standing.due_at) == (3, State.TIMED_OUT, None)

    assert len(play.goes().comes().offered) == 4


def test_applying_for_ever_is_timed_out() -> None:
    """An agent that never finishes is not waited for, and not told again either."""
    play = Play().wants(H1).is_told().says(Reported.APPLYING, H1).later(301)

    assert (play.state, play.offered) == (State.TIMED_OUT, [H1])


def test_agent_without_status_is_told_once_per_connection() -> None:
    """Nothing it says could end a repetition (A-11)."""
    play = Play(capabilities=0).wants(H1).is_told().later(3600)
    assert (play.offered, play.state) == ([H1], State.OFFERED)

    play.goes().later(3600).comes()
    assert play.offered == [H1, H1]

    play.is_told().wants(H2)
    assert play.offered == [H1, H1, H2]


@pytest.mark.parametrize("capabilities", [0, REPORTS_STATUS])
def test_connection_that_follows_a_delivery_is_its_consequence(capabilities: int) -> None:
    """A client that reconnects with new settings, and forgets over it that it has them, is not told for ever."""
    play = Play(capabilities).wants(H1)
    for _ in range(5):
        play.is_told()
        play.now += timedelta(seconds=5)
        play.goes().comes()

    assert play.offered == [H1]


def test_status_without_the_capability_counts() -> None:
    """Some clients report and forget to say that they can."""
    play = Play(capabilities=0).wants(H1).is_told().says(Reported.APPLIED, H1)

    assert play.state is State.APPLIED


def test_unset_status_of_the_right_hash_is_receipt() -> None:
    """The agent has it; telling it again would say nothing new (S-124)."""
    play = Play().wants(H1).says(Reported.UNSET, H1).later(3600)

    assert (play.state, play.offered) == (State.OFFERED, [H1])


def test_withheld_agent_is_offered_nothing() -> None:
    """Before it is approved, it is known and shown and no more."""
    play = Play()
    play.situation = replace(play.situation, withheld=True)
    play.wants(H1).later(3600)

    assert (play.state, play.offered) == (State.PENDING, [])


def test_agent_that_is_away_is_offered_when_it_comes() -> None:
    """And not before."""
    play = Play().goes().wants(H1)
    assert (play.state, play.offered) == (State.PENDING, [])

    assert play.comes().offered == [H1]


def test_change_supersedes_what_was_under_way() -> None:
    """The newest wish is offered at once, whatever the last one waits for."""
    play = Play().wants(H1).wants(H2)

    assert play.offered == [H1, H2]
    assert play.wants(b"").state is State.NONE


def test_first_answer_carries_what_the_agent_does_not_name() -> None:
    """The hash it names decides, unless it refused this one; without one, what is remembered (S-124, S-154, S-156)."""
    assert is_due_on_arrival(None, H1, b"", T0)
    assert not is_due_on_arrival(None, H1, H1, T0)
    assert is_due_on_arrival(None, H1, H2, T0)
    told = arrived(Standing("default", b"a" * 16), H1, T0)
    moment, much_later = T0 + timedelta(seconds=5), T0 + DEFAULT_PATIENCE.reconnect
    assert not is_due_on_arrival(told, H1, b"", moment)
    assert is_due_on_arrival(told, H2, b"", moment)
    assert is_due_on_arrival(told, H1, b"", much_later)
    failed = replace(told, desired_hash=H1, state=State.FAILED)
    assert not is_due_on_arrival(failed, H1, b"", much_later)
    assert not is_due_on_arrival(failed, H1, H2, much_later)
    assert is_due_on_arrival(failed, H2, H1, much_later)


def test_told_with_the_first_answer_is_not_offered_again() -> None:
    """The facts of the connection come after its first answer, or before."""
    for is_before in (True, False):
        play = Play(capabilities=0)
        if not is_before:
            play.looks()
        play.standing = arrived(play.standing, H1, play.now)
        play.wants(H1).later(3600)

        assert (play.offered, play.state) == ([], State.OFFERED)
