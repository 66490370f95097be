"""The machine: facts in any order move an agent, and what is done next follows from where it stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from package_service.offering import reconcile
from package_service.offering.reconcile import Action, Policy, plan
from package_service.offering.standing import Said, Standing, State
from package_service.offering.target import ACCEPTS_PACKAGES, REPORTS_PACKAGES, Target

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LIST, FORMER = b"l" * 32, b"f" * 32
CONTENT = b"c" * 32
WANTED, FILE = b"w" * 32, b"s" * 32
POLICY = Policy()

ITEM = Standing(
    "collector",
    UUID(int=9),
    since=NOW,
    moved_at=NOW,
    version="2.0.0",
    file_id=UUID(int=2),
    package_hash=WANTED,
    content_hash=FILE,
    listed_file_id=UUID(int=2),
)
AGENT = Target(
    "default",
    bytes(16),
    epoch=3,
    gateway_id="gw",
    connected=True,
    capabilities=ACCEPTS_PACKAGES | REPORTS_PACKAGES,
    desired_hash=LIST,
    packages={"collector": ITEM},
)


def at(seconds: float) -> datetime:
    """Tell a moment."""
    return NOW + timedelta(seconds=seconds)


def with_state(target: Target, state: State, **fields: object) -> Target:
    """Put the package somewhere."""
    return replace(target, packages={"collector": replace(ITEM, state=state, **fields)})  # type: ignore[arg-type]


def offered() -> Target:
    """Make an agent that was offered its list."""
    target, action = plan(AGENT, NOW)
    assert action is Action.OFFER
    return replace(target, content_hash=CONTENT)


def delivered(seconds: float = 1) -> Target:
    """Make an agent the list has reached."""
    return reconcile.on_delivered(offered(), (3, 5), content_hash=CONTENT, now=at(seconds))


def told(target: Target, said: Said | None, fence: tuple[int, int] = (3, 9), **fields: object) -> Target:
    """Take a report about the list."""
    arguments = {"all_hash": LIST, "error": "", **fields}
    return reconcile.on_statuses(
        target,
        fence,
        said={"collector": said} if said else {},
        has={"collector": (said.version, said.hash.hex())} if said and said.version else {},
        now=at(2),
        **arguments,  # type: ignore[arg-type]
    )


def test_connection_brings_where_what_and_who() -> None:
    """Gateway, capabilities, stamped labels, whether it is withheld; what is matched anew is marked."""
    target = reconcile.on_connected(
        replace(AGENT, labels={"env": "prod", "group": "old"}, stamped_labels={"group": "old"}),
        (4, 1),
        gateway_id="gw-2",
        capabilities=0,
        stamped_labels={"group": "web"},
        withheld=True,
    )

    assert (target.epoch, target.gateway_id, target.connected, target.withheld) == (4, "gw-2", True, True)
    assert target.capabilities == AGENT.capabilities
    assert target.labels == {"env": "prod", "group": "web"}
    assert target.group == "web"
    assert target.dirty


def test_capabilities_of_a_new_connection_count() -> None:
    """An agent that comes back able to take packages is matched anew; one that says nothing is as it was."""
    stays = {"gateway_id": "gw", "stamped_labels": {}, "withheld": False}

    assert reconcile.on_connected(AGENT, (4, 1), capabilities=1, **stays).dirty  # type: ignore[arg-type]
    same = reconcile.on_connected(AGENT, (4, 1), capabilities=AGENT.capabilities, **stays)  # type: ignore[arg-type]
    assert not same.dirty


def test_older_connection_changes_nothing() -> None:
    """Neither its beginning nor its end; repeated facts neither."""
    late = {"gateway_id": "x", "capabilities": 1, "stamped_labels": {}, "withheld": False}

    assert reconcile.on_connected(AGENT, (2, 1), **late) is AGENT  # type: ignore[arg-type]
    assert reconcile.on_disconnected(AGENT, (2, 9)) is AGENT
    ended = reconcile.on_disconnected(AGENT, (3, 9))
    assert not ended.connected
    assert reconcile.on_disconnected(ended, (3, 9)) is ended
    assert reconcile.on_heard(AGENT, (2, 9), gateway_id="x") is AGENT


def test_any_fact_proves_a_connection() -> None:
    """Also the first of one whose beginning was lost, and of a session that moved to another gateway."""
    assert reconcile.on_heard(AGENT, (7, 3), gateway_id="gw-7").epoch == 7
    moved = reconcile.on_heard(replace(offered(), fences={"health": (3, 4)}), (3, (1 << 32) | 1), gateway_id="gw-9")
    assert (moved.gateway_id, moved.retry_at, moved.offer_count) == ("gw-9", None, 0)
    stayed = reconcile.on_disconnected(replace(moved, fences={"health": (3, (1 << 32) | 1)}), (3, 8))
    assert stayed.connected


def test_lost_connection_is_heard_of_once_and_may_be_found_again() -> None:
    """Only that very connection; what is not connected cannot be lost, what was not lost cannot be found."""
    assert reconcile.on_lost(AGENT, (2, 9)) is AGENT
    lost = reconcile.on_lost(AGENT, (3, 9))
    assert not lost.connected
    assert reconcile.on_lost(lost, (3, 9)) is lost
    assert reconcile.on_found(lost, 2) is lost
    assert reconcile.on_found(AGENT, 3) is AGENT
    assert reconcile.on_found(lost, 3) == AGENT
    ended = reconcile.on_disconnected(AGENT, (3, 9))
    assert reconcile.on_found(ended, 3) is ended


def test_connection_that_was_lost_before_it_was_heard_of() -> None:
    """It is not connected, unless it went on since."""
    fields = {"gateway_id": "gw", "capabilities": 0, "stamped_labels": {}, "withheld": False}
    lost = reconcile.on_lost(AGENT, (5, 7))
    assert (lost.epoch, lost.connected) == (5, False)

    assert not reconcile.on_connected(lost, (5, 1), **fields).connected  # type: ignore[arg-type]
    assert reconcile.on_connected(lost, (5, 8), **fields).connected  # type: ignore[arg-type]
    assert reconcile.on_connected(lost, (6, 1), **fields).connected  # type: ignore[arg-type]


def test_description_decides_the_machine() -> None:
    """Labels and capabilities; the same again marks nothing."""
    described = reconcile.on_described(
        AGENT, (3, 2), labels={"os.type": "linux", "host.arch": "aarch64"}, capabilities=ACCEPTS_PACKAGES
    )
    again = reconcile.on_described(
        replace(described, dirty=False), (3, 3), labels=dict(described.labels), capabilities=ACCEPTS_PACKAGES
    )

    assert tuple(described.machine) == ("linux", "arm64")
    assert described.dirty
    assert not described.reports
    assert not again.dirty
    assert reconcile.on_described(again, (3, 3), labels={}, capabilities=0) is again
    assert reconcile.on_health(again, (3, 4), healthy=True).healthy is True


def test_offer_is_repeated_ever_more_seldom_until_it_is_delivered() -> None:
    """10, 20, 40, 60, 60 seconds; in between nothing."""
    target, pauses, now = AGENT, [], NOW
    for _ in range(5):
        target, action = plan(target, now)
        assert action is Action.OFFER
        assert plan(target, now)[1] is Action.NOTHING
        assert target.retry_at is not None
        assert target.due_at == target.retry_at
        pauses.append((target.retry_at - now).total_seconds())
        now = target.retry_at

    assert pauses == [10, 20, 40, 60, 60]
    assert target.offer_count == 5


def test_delivery_counts_for_the_last_content_on_this_connection() -> None:
    """Anything else counts for nothing."""
    before = offered()

    assert delivered().delivered
    assert delivered().packages["collector"].state is State.OFFERED
    for fence, content in (((3, 5), b"x" * 32), ((2, 5), CONTENT)):
        assert not reconcile.on_delivered(before, fence, content_hash=content, now=NOW).delivered
    stale = replace(before, desired_hash=FORMER)
    assert not reconcile.on_delivered(stale, (3, 5), content_hash=CONTENT, now=NOW).delivered
    assert reconcile.on_delivered(delivered(), (3, 5), content_hash=CONTENT, now=NOW) == delivered()


def test_silence_is_asked_about_then_timed_out_then_given_up() -> None:
    """15 seconds: ask; 60: timed out, and again after a pause; after three times only a new connection helps."""
    target, action = plan(delivered(0), at(1))
    assert (action, target.due_at) == (Action.NOTHING, at(15))
    target, action = plan(target, at(15))
    assert (action, target.due_at) == (Action.PROBE, at(60))
    assert plan(target, at(30))[1] is Action.NOTHING
    target, action = plan(target, at(60))
    assert (action, target.due_at, target.timeouts) == (Action.NOTHING, at(120), 1)
    assert target.packages["collector"].state is State.TIMED_OUT
    target, action = plan(target, at(120))
    assert action is Action.OFFER

    silent = replace(target, timeouts=POLICY.max_timeouts, retry_at=None)
    assert plan(silent, at(999))[1] is Action.NOTHING
    assert plan(silent, at(999))[0].due_at is None
    fresh = reconcile.on_connected(silent, (4, 1), gateway_id="gw", capabilities=0, stamped_labels={}, withheld=False)
    assert plan(fresh, at(1000))[1] is Action.OFFER


def test_agent_that_never_reports_is_left_alone() -> None:
    """It got the list; more cannot be known."""
    quiet = replace(delivered(0), capabilities=ACCEPTS_PACKAGES)

    assert plan(quiet, at(999)) == (replace(quiet, due_at=None), Action.NOTHING)


def test_acknowledged_list_is_not_offered_again() -> None:
    """Neither now nor after a reconnect: an agent need not repeat itself."""
    target = told(delivered(), Said("2.0.0", WANTED, WANTED))
    assert target.packages["collector"].state is State.INSTALLED
    assert plan(target, at(99)) == (replace(target, due_at=None, waiting_since=None), Action.NOTHING)
    back = reconcile.on_connected(target, (4, 1), gateway_id="gw", capabilities=0, stamped_labels={}, withheld=False)

    assert plan(back, at(100))[1] is Action.NOTHING
    assert plan(replace(back, reported_hash=FORMER), at(100))[1] is Action.OFFER


def test_agent_that_names_another_list_is_offered_its_own_again() -> None:
    """As soon as the pause since the last offer is over, in step before or not; the same word changes nothing."""
    target = told(delivered(), Said("2.0.0", WANTED, WANTED))
    assert target.in_step
    other = told(target, Said("2.0.0", WANTED, WANTED), (3, 10), all_hash=FORMER)
    assert plan(other, at(3))[1] is Action.NOTHING
    assert plan(other, at(3))[0].due_at == at(10)
    again, action = plan(other, at(10))
    assert action is Action.OFFER

    there = reconcile.on_delivered(replace(again, content_hash=CONTENT), (3, 11), content_hash=CONTENT, now=at(11))
    assert there.delivered
    same = told(there, Said("2.0.0", WANTED, WANTED), (3, 12), all_hash=FORMER)
    assert same.delivered
    another = told(same, Said("2.0.0", WANTED, WANTED), (3, 13), all_hash=b"o" * 32)
    assert plan(another, at(30))[1] is Action.OFFER


def test_list_without_hash_is_taken_to_be_the_last_one() -> None:
    """Some agents never tell it; if nothing was delivered, it proves nothing."""
    assert told(delivered(), Said("2.0.0", WANTED), all_hash=b"").in_step
    assert told(offered(), Said("1.0.0"), all_hash=b"").reported_hash == b""


def test_failure_has_the_list_made_anew() -> None:
    """What failed is given up, so the list is another; so is what fails for all packages at once."""
    failed = told(delivered(), Said("", b"", WANTED, 3, "disk full"))
    assert failed.dirty
    assert plan(failed, at(3))[0].due_at == at(3)
    every = told(delivered(), Said("", b"", WANTED, 2), error="cannot write")
    assert (every.packages["collector"].state, every.packages["collector"].error) == (State.FAILED, "cannot write")
    assert every.reported_error == "cannot write"
    assert told(every, None, (3, 9)) is every


def test_want_of_progress_is_timed_out_connected_or_not() -> None:
    """Whoever downloads or installs, or knows the list and does not begin; signs of life put it off."""
    for state in (State.DOWNLOADING, State.INSTALLING):
        busy = with_state(replace(delivered(), reported_hash=LIST, connected=False), state)
        assert plan(busy, at(899))[0].due_at == at(900)
        assert plan(busy, at(900))[0].packages["collector"].state is State.TIMED_OUT
    idle = with_state(replace(delivered(), reported_hash=LIST), State.OFFERED)
    late = plan(idle, at(900))[0]
    assert (late.packages["collector"].state, late.packages["collector"].error) == (State.TIMED_OUT, reconcile.STUCK)
    assert plan(with_state(idle, State.INSTALLED), at(9999))[0].due_at is None


def test_list_that_holds_what_failed_is_not_sent_again() -> None:
    """Not even after a reconnect, when the agent knows another list: only somebody who asks has it sent."""
    failed = with_state(replace(AGENT, held="collector: gone"), State.FAILED, failed_hashes=(FILE,))
    assert failed.is_blocked
    assert plan(failed, at(5))[1] is Action.NOTHING

    again = reconcile.retry(failed, "collector", "eve", at(6))
    assert plan(replace(again, dirty=False), at(6))[1] is Action.OFFER


def test_retry_offers_the_same_list_again() -> None:
    """Also when the agent knows it: the agent asked nothing, a person did."""
    target = with_state(replace(delivered(), reported_hash=LIST), State.TIMED_OUT, error="late")
    again = reconcile.retry(target, "collector", "eve", at(5))

    assert again.dirty
    assert plan(replace(again, dirty=False), at(5))[1] is Action.OFFER
    has = with_state(target, State.INSTALLED)
    assert reconcile.retry(has, "collector", "eve", at(5)) is has
    before = with_state(target, State.INSTALLED, failed_hashes=(b"x" * 32,))
    assert reconcile.retry(before, "collector", "eve", at(5)) == replace(has, dirty=True)


def test_who_may_not_be_told_is_not_told() -> None:
    """Gone, withheld, without the capability, without a list."""
    for target in (
        replace(AGENT, connected=False),
        replace(AGENT, withheld=True),
        replace(AGENT, capabilities=REPORTS_PACKAGES),
        replace(AGENT, desired_hash=b""),
    ):
        assert plan(target, NOW) == (target, Action.NOTHING)


def test_list_that_may_not_be_sent_now_is_not_sent() -> None:
    """Neither at first, nor again, nor after silence; nothing is recorded as offered, and nothing is due."""
    for target in (AGENT, replace(offered(), retry_at=None), replace(delivered(), delivered_epoch=0, timeouts=1)):
        after, action = plan(target, at(99), sendable=False)
        assert (after, action) == (replace(target, due_at=None), Action.NOTHING)
        assert plan(after, at(99))[1] is Action.OFFER


def test_another_list_begins_anew() -> None:
    """Patience is for one list; the same one goes on."""
    tired = replace(delivered(), timeouts=2, retry_at=at(99), offer_count=4)
    fresh = reconcile.desire(tired, FORMER, "")

    assert (fresh.timeouts, fresh.retry_at, fresh.offer_count) == (0, None, 0)
    assert plan(fresh, at(2))[1] is Action.OFFER
    assert reconcile.desire(tired, LIST, "why") == replace(tired, held="why")
