from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from config_service import reconcile
from config_service.attempt import AttemptStatus, Cause
from config_service.reconcile import Action, Policy
from config_service.selector import Reason
from config_service.target import Desired, Reported, State, Target, replace

POLICY = Policy()
T0 = datetime(2026, 1, 1, tzinfo=UTC)
H1, H2, H3 = b"1" * 32, b"2" * 32, b"3" * 32
ACCEPTS, REPORTS, EFFECTIVE = 2, 0x1000, 4


class Play:
    """One agent, told what happens; it keeps the time and what was decided."""

    def __init__(self, capabilities: int = ACCEPTS | REPORTS) -> None:
        self.now = T0
        self.epoch = 0
        self.sequence = 0
        self.target = Target("default", b"a" * 16)
        self.actions: list[Action] = []
        self.capabilities = capabilities

    def connect(self, capabilities: int | None = None) -> Play:
        """A new connection."""
        self.epoch += 1
        self.sequence = 1
        self.target = reconcile.on_connected(
            self.target,
            (self.epoch, 1),
            gateway_id="gw",
            capabilities=self.capabilities if capabilities is None else capabilities,
            now=self.now,
        )
        return self._plan()

    def disconnect(self) -> Play:
        """The connection ends."""
        self.target = reconcile.on_disconnected(self.target, self._next())
        return self._plan()

    def desire(self, config_hash: bytes | None, cause: Cause = Cause.CHANGE) -> Play:
        """What it should run changes."""
        desired = Desired("c", 1, config_hash) if config_hash else None
        self.target = reconcile.desire(self.target, desired, Reason.SELECTOR if desired else Reason.NONE)
        return self._plan(cause)

    def deliver(self, config_hash: bytes) -> Play:
        """An offer reaches it."""
        self.target = reconcile.on_delivered(self.target, self._next(), config_hash=config_hash, now=self.now)
        return self._plan()

    def report(self, status: Reported, config_hash: bytes, error: str = "") -> Play:
        """It tells what became of a content."""
        self.target = reconcile.on_status(
            self.target, self._next(), config_hash=config_hash, status=status, error=error, now=self.now
        )
        return self._plan()

    def health(self, *, healthy: bool) -> Play:
        """It tells how it fares."""
        self.target = reconcile.on_health(self.target, self._next(), healthy=healthy, now=self.now)
        return self._plan()

    def effective(self, config_hash: bytes, *, holds: bool | None) -> Play:
        """It tells what it runs."""
        self.target = reconcile.on_effective_config(self.target, self._next(), compared_with=config_hash, holds=holds)
        return self._plan()

    def insist(self) -> Play:
        """A person pushes."""
        self.target = reconcile.insist(self.target)
        return self._plan(Cause.PUSH)

    def wait(self, seconds: float) -> Play:
        """Time passes; the sweeper looks whenever the agent is due."""
        end = self.now + timedelta(seconds=seconds)
        while self.target.due_at is not None and self.target.due_at <= end:
            self.now = max(self.now, self.target.due_at)
            before = self.target.due_at
            self._plan(Cause.SWEEP)
            assert self.target.due_at != before, "the sweeper would spin"
        self.now = end
        return self

    def stands(self) -> State:
        """Where it stands."""
        return self.target.state

    @property
    def offers(self) -> int:
        """How often it was offered to."""
        return self.actions.count(Action.OFFER)

    @property
    def closed(self) -> list[AttemptStatus]:
        """How the attempts before the current one ended."""
        return [attempt.status for attempt in self.target.closed]

    def _next(self) -> tuple[int, int]:
        self.sequence += 1
        return self.epoch, self.sequence

    def _plan(self, cause: Cause = Cause.CONNECT) -> Play:
        self.target, action = reconcile.plan(self.target, self.now, cause=cause)
        self.actions.append(action)
        return self


def applied(config_hash: bytes = H1) -> Play:
    """Play until the content is applied."""
    play = Play().connect().desire(config_hash).deliver(config_hash)
    return play.report(Reported.APPLYING, config_hash).report(Reported.APPLIED, config_hash)


# --- the good way -----------------------------------------------------------------------------------------


def test_offered_once_then_left_in_peace() -> None:
    """No resend storm: one offer, however much is heard afterwards."""
    play = applied().health(healthy=True).health(healthy=True).wait(3600)

    assert play.offers == 1
    assert play.stands() is State.APPLIED


def test_states_on_the_way() -> None:
    """Each step shows."""
    play = Play().connect()
    assert play.stands() is State.NONE
    assert play.desire(H1).stands() is State.PENDING
    assert play.deliver(H1).stands() is State.OFFERED
    assert play.report(Reported.APPLYING, H1).stands() is State.APPLYING
    assert play.report(Reported.APPLIED, H1).stands() is State.APPLIED


def test_confirmed_after_soaking_healthy() -> None:
    """Applied alone is not success: it must stay so."""
    play = applied().health(healthy=True)
    assert play.target.attempt is not None
    assert not play.target.attempt.confirmed

    play.wait(POLICY.soak.total_seconds() + 1)

    assert play.target.attempt is not None
    assert play.target.attempt.confirmed


def test_not_confirmed_while_unhealthy() -> None:
    """Soaking begins again when health returns."""
    play = applied().health(healthy=False).wait(600)
    assert play.target.attempt is not None
    assert not play.target.attempt.confirmed

    play.health(healthy=True).wait(29)
    assert not play.target.attempt.confirmed
    play.wait(2)
    assert play.target.attempt.confirmed


def test_effective_config_without_what_was_sent_is_drift() -> None:
    """The agent says APPLIED and runs something else: shown, never confirmed, not pressed."""
    play = Play(ACCEPTS | REPORTS | EFFECTIVE).connect().desire(H1).deliver(H1).report(Reported.APPLIED, H1)
    play.effective(H1, holds=False).wait(600)

    assert play.stands() is State.DRIFTED
    assert play.target.attempt is not None
    assert not play.target.attempt.confirmed
    assert play.offers == 1
    play.effective(H1, holds=True).wait(60)
    assert play.target.attempt.confirmed


def test_unknown_effective_config_is_asked_for_once() -> None:
    """An agent that can tell, and did not because nothing changed, is asked."""
    play = Play(ACCEPTS | REPORTS | EFFECTIVE).connect().desire(H1).deliver(H1).report(Reported.APPLIED, H1).wait(600)
    for _ in range(5):
        play.disconnect().connect().wait(600)
    assert play.actions.count(Action.PROBE) == 1

    play.effective(H1, holds=True)

    assert play.target.attempt is not None
    assert play.target.attempt.confirmed


def test_agent_that_runs_it_already_is_not_offered() -> None:
    """Its report came before the wish: nothing to do."""
    play = Play().connect().report(Reported.APPLIED, H1).desire(H1)

    assert play.offers == 0
    assert play.stands() is State.APPLIED


def test_agent_applying_it_already_is_waited_for() -> None:
    """The ledger takes the attempt on where it stands."""
    play = Play().connect().report(Reported.APPLYING, H1).desire(H1)

    assert play.offers == 0
    assert play.stands() is State.APPLYING
    assert play.report(Reported.APPLIED, H1).stands() is State.APPLIED


# --- failures ---------------------------------------------------------------------------------------------


def test_failed_content_is_quarantined() -> None:
    """It is not offered again by time, reconnect or repetition."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.FAILED, H1, "bad pipeline")
    play.wait(3600).disconnect().connect().wait(3600).report(Reported.FAILED, H1, "bad pipeline").wait(3600)

    assert play.offers == 1
    assert play.stands() is State.FAILED
    assert play.target.quarantined
    assert play.target.error == "bad pipeline"
    assert play.target.registry_hash == b""


def test_failure_is_cleared_by_a_person() -> None:
    """A push tries again, as a new attempt."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.FAILED, H1).insist()

    assert play.offers == 2
    assert play.stands() is State.PENDING
    assert play.target.attempt is not None
    assert play.target.attempt.cause is Cause.PUSH
    assert play.closed == [AttemptStatus.FAILED]


def test_failure_is_left_behind_by_another_content() -> None:
    """A change is a new chance; going back to the failed content is not."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.FAILED, H1, "no").desire(H2)
    assert play.offers == 2

    play.deliver(H2).report(Reported.APPLIED, H2).desire(H1)

    assert play.offers == 2
    assert play.stands() is State.FAILED
    assert "failed on this agent before" in play.target.error


def test_agent_that_recovers_by_itself_is_believed() -> None:
    """FAILED, then APPLIED of the same content: the quarantine ends."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.FAILED, H1).report(Reported.APPLIED, H1)

    assert play.stands() is State.APPLIED
    assert not play.target.quarantined


def test_failure_without_hash_is_about_what_was_delivered() -> None:
    """Some agents never fill the hash."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.FAILED, b"", "no")

    assert play.target.quarantined


@pytest.mark.parametrize("say_applying", [True, False])
def test_rollback_by_the_agent_is_recognised(say_applying: bool) -> None:
    """APPLIED with the previous hash, after trying ours: not pressed on it again for ever."""
    play = applied(H1).wait(60).desire(H2).deliver(H2)
    if say_applying:
        play.report(Reported.APPLYING, H2)
    play.wait(10).report(Reported.APPLIED, H1).wait(3600)

    assert play.offers == 2
    assert play.target.attempt_status is AttemptStatus.ROLLED_BACK_BY_AGENT
    assert play.stands() is State.FAILED
    assert "went back" in play.target.error


def test_rollback_during_the_soak_time_is_recognised() -> None:
    """Applied, then back to the old one before it was confirmed."""
    play = applied(H1).wait(60).desire(H2).deliver(H2).report(Reported.APPLIED, H2).wait(5)
    play.report(Reported.APPLIED, H1).wait(3600)

    assert play.target.attempt_status is AttemptStatus.ROLLED_BACK_BY_AGENT
    assert play.offers == 2


def test_report_that_crossed_the_offer_is_no_rollback() -> None:
    """An old status may have been sent before the offer arrived."""
    play = applied(H1).wait(60).desire(H2).deliver(H2).wait(1).report(Reported.APPLIED, H1)

    assert play.stands() is State.OFFERED
    assert play.report(Reported.APPLIED, H2).stands() is State.APPLIED


def test_agent_that_lost_its_configuration_gets_it_again() -> None:
    """A restart without memory reports UNSET."""
    play = applied().wait(60).disconnect().connect().report(Reported.UNSET, b"").wait(5)

    assert play.offers == 2
    assert play.closed == [AttemptStatus.APPLIED]


def test_confirmed_agent_that_runs_something_else_later_gets_it_again() -> None:
    """An image restored from last month is drift, not a rollback."""
    play = applied().wait(60).disconnect().connect().report(Reported.APPLIED, H3).wait(5)

    assert play.offers == 2
    assert not play.target.quarantined


def test_applied_without_hash_is_tolerated() -> None:
    """The answer to a delivered offer counts, hash or not; a reconnect does not start it over."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.APPLIED, b"")
    assert play.stands() is State.APPLIED

    play.disconnect().connect().report(Reported.APPLIED, b"").wait(3600)

    assert play.offers == 1


def test_applied_without_hash_that_never_changes_counts_after_a_while() -> None:
    """Its status before and after is the same text: silence means yes."""
    play = Play().connect().report(Reported.APPLIED, b"").desire(H1).deliver(H1).wait(61)

    assert play.stands() is State.APPLIED
    assert play.offers == 1


# --- silence ----------------------------------------------------------------------------------------------


def test_undelivered_offer_is_repeated_with_growing_pauses() -> None:
    """Lost on the way: again after 10, 20, 40, 60, 60 … seconds, always the same attempt."""
    play = Play().connect().desire(H1).wait(10 + 20 + 40 + 60 + 60 + 1)

    assert play.offers == 6
    assert play.closed == []


def test_delivered_and_silent_is_asked_then_timed_out_then_tried_again() -> None:
    """First the question for its full state, then the timeout, then a new attempt."""
    play = Play().connect().desire(H1).deliver(H1).wait(16)
    assert play.actions[-1] is Action.PROBE
    assert play.stands() is State.OFFERED

    play.wait(50)

    assert play.closed == [AttemptStatus.TIMED_OUT]
    assert play.offers == 2


def test_silence_is_given_up_after_a_few_attempts() -> None:
    """A content that is swallowed again and again waits for a person, or a new connection."""
    play = Play().connect().desire(H1)
    for _ in range(20):
        play.deliver(H1).wait(2000)

    assert len(play.closed) == POLICY.max_timeouts - 1
    assert play.stands() is State.TIMED_OUT
    assert play.target.quarantined
    offers = play.offers
    assert play.disconnect().connect().wait(5).offers == offers + 1


def test_late_answer_wins_over_the_clock() -> None:
    """Timed out, and then it was applied after all."""
    play = Play().connect().desire(H1).deliver(H1).disconnect().wait(300)
    assert play.stands() is State.TIMED_OUT

    play.connect().report(Reported.APPLIED, H1)

    assert play.stands() is State.APPLIED
    assert play.offers == 1


def test_applying_for_ever_times_out_even_when_disconnected() -> None:
    """No row stays applying."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.APPLYING, H1).disconnect().wait(301)

    assert play.stands() is State.TIMED_OUT


def test_agent_that_never_reports_is_left_alone() -> None:
    """Without ReportsRemoteConfig delivery is all there will ever be; again on the next connection."""
    play = Play(ACCEPTS).connect().desire(H1).deliver(H1).wait(3600)
    assert (play.offers, play.stands()) == (1, State.OFFERED)

    play.disconnect().connect().wait(60)

    assert play.offers > 1


# --- who may be offered -----------------------------------------------------------------------------------


def test_agent_that_does_not_accept_is_never_offered() -> None:
    """No capability, no offer, no state."""
    play = Play(REPORTS).connect().desire(H1).wait(3600).insist().wait(3600)

    assert play.offers == 0
    assert play.stands() is State.NONE
    assert play.target.registry_hash == b""


def test_capability_that_arrives_later_starts_the_offer() -> None:
    """Described may carry what Connected did not."""
    play = Play(REPORTS).connect().desire(H1)
    play.target = reconcile.on_described(play.target, (1, 2), labels={"a": "b"}, capabilities=ACCEPTS | REPORTS)
    play.desire(H1)

    assert play.offers == 1


def test_disconnected_agent_waits_for_its_return() -> None:
    """Nothing is sent into the void; after the return the gateway offers from the registry, or else we do."""
    play = Play().connect().disconnect().desire(H1).wait(3600)
    assert (play.offers, play.stands()) == (0, State.PENDING)

    assert play.connect().wait(3).offers == 1


def test_offer_from_the_registry_is_in_the_ledger() -> None:
    """The gateway was faster than we: the attempt begins with the delivery, and nothing is offered twice."""
    play = Play().connect().disconnect().desire(H1).connect().deliver(H1)
    assert play.stands() is State.OFFERED
    assert play.target.attempt is not None
    assert play.target.attempt.cause is Cause.CONNECT

    play.report(Reported.APPLIED, H1).wait(60)

    assert play.offers == 0
    assert play.target.attempt.confirmed


def test_reconnect_leaves_the_first_word_to_the_registry() -> None:
    """The gateway offers from the registry; we only step in when nothing was delivered."""
    play = Play().connect().desire(H1).disconnect().connect().wait(1)
    assert play.offers == 1
    assert play.wait(2).offers == 2


def test_reconnect_of_an_applied_agent_is_quiet() -> None:
    """Status fields that are absent are unchanged: nothing is sent."""
    play = applied().wait(60)
    for _ in range(10):
        play.disconnect().connect().wait(60)

    assert play.offers == 1


def test_nothing_desired_supersedes_the_attempt_and_keeps_what_runs() -> None:
    """Never an empty configuration: nothing is sent when nothing matches any more."""
    play = Play().connect().desire(H1).desire(None)

    assert play.closed == [AttemptStatus.SUPERSEDED]
    assert play.target.reason is Reason.KEEP_LAST
    assert play.stands() is State.NONE
    assert play.wait(3600).offers == 1


def test_agent_that_never_had_anything_has_no_reason() -> None:
    """keep_last is for agents that have something to keep."""
    assert Play().connect().desire(None).target.reason is Reason.NONE


def test_newer_content_supersedes_the_offer_under_way() -> None:
    """Only the newest is offered, and the ledger says why the older went nowhere."""
    play = Play().connect().desire(H1).desire(H2)

    assert play.closed == [AttemptStatus.SUPERSEDED]
    assert play.offers == 2
    assert play.target.offered_hash == H2


def test_same_content_under_another_version_is_not_sent_again() -> None:
    """An edit of the display name reaches nobody."""
    play = applied()
    play.target = reconcile.desire(play.target, Desired("c", 2, H1), Reason.SELECTOR)
    play.wait(60)

    assert play.offers == 1
    assert play.target.desired == Desired("c", 2, H1)


def test_going_back_while_the_new_content_is_in_flight_offers_the_old_one() -> None:
    """Its report of the old content is stale: the new one may be about to be applied."""
    play = applied(H1).wait(60).desire(H2).deliver(H2).desire(H1)
    assert play.offers == 3
    assert play.stands() is State.PENDING

    play.report(Reported.APPLIED, H2).deliver(H1).report(Reported.APPLIED, H1).wait(60)

    assert play.stands() is State.APPLIED
    assert not play.target.quarantined


def test_push_to_an_agent_that_runs_it_sends_nothing() -> None:
    """A person asked, and it is so already."""
    assert applied().insist().offers == 1


def test_push_goes_on_with_an_attempt_under_way() -> None:
    """Pending: offered again at once, no second attempt."""
    play = Play().connect().desire(H1).insist()

    assert play.offers == 2
    assert play.closed == []


# --- late and repeated ------------------------------------------------------------------------------------


def test_old_disconnect_does_not_end_the_new_connection() -> None:
    """The slow close of an old socket changes nothing."""
    play = Play().connect().connect()
    play.target = reconcile.on_disconnected(play.target, (1, 9))

    assert play.target.connected


def test_last_words_of_the_old_connection_are_taken() -> None:
    """A status that was overtaken by the reconnect is still news; an older one than known is not."""
    play = Play().connect().desire(H1).deliver(H1).connect()
    play.target = reconcile.on_status(
        play.target, (1, 50), config_hash=H1, status=Reported.APPLIED, error="", now=play.now
    )
    assert play.stands() is State.APPLIED

    stale = reconcile.on_status(play.target, (1, 49), config_hash=H1, status=Reported.FAILED, error="", now=play.now)
    assert stale is play.target


def test_fact_of_an_unknown_connection_proves_it() -> None:
    """Whatever was lost, an agent that speaks is there."""
    target = reconcile.on_heard(Target("default", b"a" * 16), (7, 1), gateway_id="gw", now=T0)

    assert (target.connected, target.epoch, target.gateway_id) == (True, 7, "gw")
    assert reconcile.on_heard(target, (6, 1), gateway_id="old", now=T0) is target


def test_delivery_of_an_older_content_is_not_this_attempt() -> None:
    """Only what is desired now counts as offered."""
    assert Play().connect().desire(H1).desire(H2).deliver(H1).stands() is State.PENDING


def test_delivery_after_the_answer_changes_nothing() -> None:
    """Facts of different kinds may overtake each other."""
    play = Play().connect().desire(H1).report(Reported.APPLIED, H1).deliver(H1)

    assert play.stands() is State.APPLIED


def test_failed_hashes_are_bounded() -> None:
    """An agent that refuses everything costs no memory; what it refused last is known."""
    play = Play().connect().desire(H1)
    for number in range(100):
        play.report(Reported.FAILED, bytes([number]) * 32)
    play.report(Reported.FAILED, b"short")

    assert len(play.target.failed_hashes) == 8
    assert play.target.failed_hashes[-1] == bytes([99]) * 32


def test_replace_refuses_unknown_fields() -> None:
    """A typing error is found at once."""
    with pytest.raises(TypeError, match="no such field: conected"):
        replace(Target("default", b"a" * 16), conected=True)


# --- agents that end while they apply ---------------------------------------------------------------------


@pytest.mark.parametrize(("said", "config_hash"), [(Reported.UNSET, b""), (Reported.FAILED, H2)])
def test_agent_that_restarted_while_applying_is_offered_again(said: Reported, config_hash: bytes) -> None:
    """It knows nothing of the attempt: nobody waits minutes for its end."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.APPLYING, H1)
    offers = play.offers

    play.connect().report(said, config_hash)
    assert play.closed == [AttemptStatus.SUPERSEDED]
    play.wait(3)
    assert play.offers == offers + 1
    play.deliver(H1).report(Reported.APPLYING, H1).report(Reported.APPLIED, H1)
    assert play.stands() is State.APPLIED


def test_agent_that_still_applies_after_a_reconnect_is_waited_for() -> None:
    """A lost connection is no restart."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.APPLYING, H1)
    offers = play.offers
    play.connect().report(Reported.APPLYING, H1).wait(20)

    assert (play.stands(), play.offers) == (State.APPLYING, offers)


def test_another_report_on_the_same_connection_does_not_end_applying() -> None:
    """It may be about what was before."""
    play = Play().connect().desire(H1).deliver(H1).report(Reported.APPLYING, H1).report(Reported.FAILED, H2)

    assert play.stands() is State.APPLYING


def test_agent_that_restarts_whenever_it_applies_is_left_alone() -> None:
    """The content ends it: after a few times it counts as failed, and a reconnect changes nothing of that."""
    play = Play().connect().desire(H1)
    for _ in range(POLICY.max_timeouts):
        play.wait(3).deliver(H1).report(Reported.APPLYING, H1).connect().report(Reported.UNSET, b"")

    assert play.target.attempt_status is AttemptStatus.FAILED
    assert play.target.registry_hash == b""
    offers = play.offers
    play.connect().wait(3600)
    assert (play.stands(), play.offers) == (State.FAILED, offers)


# --- polling agents that move between gateways ----------------------------------------------------------------


def test_session_that_moved_is_offered_where_it_is() -> None:
    """Same connection, higher turn: another gateway speaks, and what waits at the former is offered anew."""
    play = Play().connect().desire(H1)
    offers = play.offers
    turned = (play.epoch, 1 << 32 | 3)

    play.target = reconcile.on_heard(play.target, turned, gateway_id="gw-b", now=play.now)
    play.target = reconcile.on_health(play.target, turned, healthy=True, now=play.now)
    play._plan()
    assert play.target.gateway_id == "gw-b"
    assert play.offers == offers + 1

    late = reconcile.on_heard(play.target, (play.epoch, 9), gateway_id="gw", now=play.now)
    assert late.gateway_id == "gw-b"


def test_former_gateway_does_not_end_a_session_that_moved() -> None:
    """It hears silence and says so; in whichever order, the agent is connected where its turn is highest."""
    play = Play().connect().desire(H1)
    gone, turned = (play.epoch, 9), (play.epoch, 1 << 32 | 1)

    def moves(target: Target) -> Target:
        target = reconcile.on_heard(target, turned, gateway_id="gw-b", now=play.now)
        return reconcile.on_health(target, turned, healthy=True, now=play.now)

    first = reconcile.on_disconnected(moves(play.target), gone)
    second = moves(reconcile.on_disconnected(play.target, gone))

    assert (first.connected, first.gateway_id) == (second.connected, second.gateway_id) == (True, "gw-b")
    over = reconcile.on_disconnected(first, (play.epoch, 1 << 32 | 2))
    assert not over.connected


# --- gateways that know an older wish ----------------------------------------------------------------------


def test_stale_offer_is_followed_by_the_desired_one() -> None:
    """The registry held the old content when the agent came back: not its choice, so nothing is quarantined."""
    play = applied(H1).desire(H2).deliver(H2).report(Reported.APPLYING, H2).report(Reported.APPLIED, H2)
    play.connect().wait(5)
    offers = play.offers

    play.deliver(H1)
    assert play.target.misled
    assert play.offers == offers + 1
    play.deliver(H2).wait(10).report(Reported.APPLIED, H1)
    assert play.target.failed_hashes == ()
    play.report(Reported.APPLYING, H2).report(Reported.APPLIED, H2)
    assert play.stands() is State.APPLIED
    assert AttemptStatus.ROLLED_BACK_BY_AGENT not in play.closed


@pytest.mark.parametrize("said", [Reported.APPLYING, Reported.APPLIED])
def test_stale_offer_applied_over_the_desired_is_no_rollback(said: Reported) -> None:
    """It arrived while the desired one was tried or soaked; the agent did as told."""
    play = Play().connect().desire(H2).deliver(H1).deliver(H2).report(said, H2)
    offers = play.offers

    play.report(Reported.APPLIED, H1)

    assert play.target.failed_hashes == ()
    assert play.offers == offers + 1


def test_agent_that_goes_back_to_a_stale_content_twice_chose_it() -> None:
    """Once is our doing; a content that does not work is not pressed on it for ever."""
    play = Play().connect().desire(H2).deliver(H1).deliver(H2).report(Reported.APPLYING, H2)
    play.report(Reported.APPLIED, H1).deliver(H2).report(Reported.APPLYING, H2).report(Reported.APPLIED, H1)

    assert play.target.attempt_status is AttemptStatus.ROLLED_BACK_BY_AGENT
    assert play.target.failed_hashes == (H2,)


def test_content_delivered_when_it_was_wanted_is_no_excuse() -> None:
    """What ran before the change reached it as it should; going back to that is a rollback."""
    play = applied(H1).desire(H2).deliver(H2).report(Reported.APPLYING, H2).report(Reported.APPLIED, H1)

    assert play.target.failed_hashes == (H2,)


def test_stale_delivery_of_an_older_connection_changes_nothing() -> None:
    """Its last words came late."""
    play = Play().connect().desire(H2)
    play.connect()
    late = reconcile.on_delivered(play.target, (1, 9), config_hash=H1, now=play.now)

    assert (late.stray_hashes, late.misled) == ((), False)


def test_stamped_labels_win_and_outlive_a_description() -> None:
    """What an enrolment says of an agent stands over what the agent says, whichever comes first."""
    stamped = {"env": "prod", "group": "edge"}
    target = reconcile.on_connected(
        Target("default", b"a" * 16), (1, 1), gateway_id="gw", capabilities=ACCEPTS, now=T0, stamped_labels=stamped
    )
    assert target.labels == stamped

    target = reconcile.on_described(target, (1, 2), labels={"env": "dev", "host.name": "h"}, capabilities=0)
    assert target.labels == {"env": "prod", "group": "edge", "host.name": "h"}

    target = reconcile.on_connected(target, (2, 1), gateway_id="gw", capabilities=0, now=T0, stamped_labels={"a": "b"})
    assert target.labels == {"a": "b", "host.name": "h"}


def test_withheld_agent_is_offered_nothing_until_it_is_approved() -> None:
    """An agent that waits for approval gets neither an offer nor a word in the registry; approved, it gets both."""
    target = reconcile.desire(Target("default", b"a" * 16), Desired("c", 1, H1), Reason.SELECTOR)
    waiting = reconcile.on_connected(target, (1, 1), gateway_id="gw", capabilities=ACCEPTS, now=T0, withheld=True)
    planned, action = reconcile.plan(waiting, T0, cause=Cause.CONNECT)
    assert (action, planned.registry_hash, planned.state) == (Action.NOTHING, b"", State.NONE)

    later = T0 + POLICY.connect_grace
    approved = reconcile.on_connected(planned, (2, 1), gateway_id="gw", capabilities=ACCEPTS, now=T0)
    planned, action = reconcile.plan(approved, later, cause=Cause.CONNECT)
    assert (action, planned.registry_hash) == (Action.OFFER, H1)
