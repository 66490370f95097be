"""
The machine that makes reported agree with desired: what an agent said moves it, plan() says what to do next.

Pure: values in, values out, the time handed in. Everything is repeatable: a fact that is late or repeated
(its fence is not newer than the last of its kind) changes nothing. Kinds are fenced apart from each other,
because the last words of an old connection may arrive after the first of the next, and an agent need not repeat them.

What is never done: offer a content again that the agent reported failed, that it rolled back, or that it
left unanswered `max_timeouts` times, unless a person asks; offer to an agent that does not accept remote
configuration; offer what the agent already reported applied or applying.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from config_service.attempt import OPEN, AttemptStatus, Cause
from config_service.selector import Reason
from config_service.target import (
    HASH_BYTES,
    REPORTS_EFFECTIVE_CONFIG,
    REPORTS_REMOTE_CONFIG,
    Attempt,
    Desired,
    Fence,
    Reported,
    Target,
    is_open,
    remembered,
    replace,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTION = "connection"
DESCRIPTION = "description"
STATUS = "status"
EFFECTIVE = "effective"
HEALTH = "health"
DELIVERY = "delivery"

TURN_SHIFT = 32
"""A sequence is turn << 32 | number: the turn grows when a polling agent's session moves between gateways."""


class Action(Enum):
    """What to do for an agent after commit."""

    NOTHING = auto()
    OFFER = auto()
    PROBE = auto()
    """Ask for its full state: it was silent, or its effective configuration is unknown."""


@dataclass(frozen=True)
class Policy:
    """How patient the machine is."""

    connect_grace: timedelta = timedelta(seconds=2)
    """After a reconnect the gateway offers from the registry; we wait this long before offering too."""

    redo_first: timedelta = timedelta(seconds=10)
    """Undelivered: offer again after this, then twice as long each time ..."""

    redo_most: timedelta = timedelta(seconds=60)
    """... up to this."""

    crossing: timedelta = timedelta(seconds=5)
    """A report of another content this soon after delivery may have been sent before it arrived."""

    probe_after: timedelta = timedelta(seconds=15)
    """Delivered and silent this long: ask for the full state."""

    report_timeout: timedelta = timedelta(seconds=60)
    """Delivered and silent this long: timed out."""

    applying_timeout: timedelta = timedelta(seconds=300)
    soak: timedelta = timedelta(seconds=30)
    max_timeouts: int = 5


DEFAULT_POLICY = Policy()


# --- what agents say -----------------------------------------------------------------------------------


def on_connected(
    target: Target,
    fence: Fence,
    *,
    gateway_id: str,
    capabilities: int,
    now: datetime,
    policy: Policy = DEFAULT_POLICY,
    stamped_labels: Mapping[str, str] | None = None,
    withheld: bool = False,
) -> Target:
    """
    Take a new connection. Reports stand: an agent that reconnects need not repeat them.

    Args:
        target: The agent.

        fence: (epoch, sequence) of the fact.

        gateway_id: Who holds the connection.

        capabilities: 0 = the agent did not say; what was known stays.

        now: Database time.

        policy: How long the gateway may offer from the registry undisturbed.

        stamped_labels: What its enrolment says of it; they win over what it says itself.

        withheld: Whether it waits for approval, and is offered nothing.
    """
    if not _is_fresh(target, CONNECTION, fence) or fence[0] < target.epoch:
        return target
    target = _fenced(target, CONNECTION, fence)
    target = replace(target, capabilities=capabilities or target.capabilities, withheld=withheld)
    return _moved_to(_stamped(target, stamped_labels or {}), fence[0], gateway_id, now, policy)


def on_disconnected(target: Target, fence: Fence) -> Target:
    """End a connection, unless a newer one is known, or the session went on at another gateway."""
    if not _is_fresh(target, CONNECTION, fence) or fence[0] < target.epoch:
        return target
    if _turn(target, fence[0]) > fence[1] >> TURN_SHIFT:
        return _fenced(target, CONNECTION, fence)
    return replace(_fenced(target, CONNECTION, fence), epoch=fence[0], connected=False)


def on_heard(
    target: Target, fence: Fence, *, gateway_id: str, now: datetime, policy: Policy = DEFAULT_POLICY
) -> Target:
    """
    Take any fact of a connection we never heard begin as proof that it exists, and where.

    A polling agent may be balanced to another gateway without a new connection: its turn is higher there. What
    the former gateway was asked to offer may wait there for ever, so it is offered anew.
    """
    if fence[0] > target.epoch:
        return _moved_to(target, fence[0], gateway_id, now, policy)
    if fence[0] < target.epoch or fence[1] >> TURN_SHIFT <= _turn(target, fence[0]):
        return target
    target = replace(target, gateway_id=gateway_id, connected=True)
    waits = target.attempt_status in (AttemptStatus.PENDING, AttemptStatus.OFFERED) and not target.delivered
    return replace(target, offer_count=0, retry_at=None) if waits else target


def on_described(target: Target, fence: Fence, *, labels: Mapping[str, str] | None, capabilities: int) -> Target:
    """Take labels (None = unchanged) and capabilities (0 = unchanged)."""
    if not _is_fresh(target, DESCRIPTION, fence):
        return target
    return replace(
        _fenced(target, DESCRIPTION, fence),
        labels=target.labels if labels is None else {**labels, **target.stamped_labels},
        capabilities=capabilities or target.capabilities,
    )


def on_health(target: Target, fence: Fence, *, healthy: bool, now: datetime) -> Target:
    """Take the agent's own verdict; becoming healthy starts the soak time again."""
    if not _is_fresh(target, HEALTH, fence):
        return target
    recovered = healthy and target.healthy is False and target.attempt_status is AttemptStatus.APPLIED
    return replace(
        _fenced(target, HEALTH, fence), healthy=healthy, waiting_since=now if recovered else target.waiting_since
    )


def on_effective_config(target: Target, fence: Fence, *, compared_with: bytes, holds: bool | None) -> Target:
    """Take the result of looking for the content *compared_with* in the effective configuration."""
    if not _is_fresh(target, EFFECTIVE, fence):
        return target
    return replace(_fenced(target, EFFECTIVE, fence), effective_hash=compared_with, effective_holds=holds)


def on_delivered(target: Target, fence: Fence, *, config_hash: bytes, now: datetime) -> Target:
    """
    Take that an offer left the gateway for the agent.

    Another content than the desired one means that the gateway knew an older wish: the registry is told again,
    and the desired content is offered after it. What the agent then says of the other is not its own choice.
    """
    if not _is_fresh(target, DELIVERY, fence):
        return target
    target = _fenced(target, DELIVERY, fence)
    if target.desired is None or target.desired.config_hash != config_hash:
        return _misled(target, fence, config_hash) if fence[0] == target.epoch else target
    if target.attempt is None and not target.runs_desired:
        # The gateway was faster: it found the hash in the registry when the agent came.
        target = replace(target, attempt=_attempt(target, Cause.CONNECT, ""))
    attempt = target.attempt
    if attempt is None:
        return target
    if attempt.status in (AttemptStatus.PENDING, AttemptStatus.OFFERED):
        return replace(
            target,
            attempt=attempt.to(AttemptStatus.OFFERED, offered_at=now),
            offered_hash=config_hash,
            delivered_epoch=fence[0],
            waiting_since=now,
            probed=False,
        )
    return replace(target, delivered_epoch=fence[0])


def on_status(
    target: Target,
    fence: Fence,
    *,
    config_hash: bytes,
    status: Reported,
    error: str,
    now: datetime,
    policy: Policy = DEFAULT_POLICY,
) -> Target:
    """
    Take the agent's word on its remote configuration.

    A report without hash (some agents never fill it) is taken to be about what was delivered last.
    APPLIED of another content after ours arrived is a rollback by the agent: remembered as a failure, so
    that the bad content is not pressed on it for ever.
    """
    if not _is_fresh(target, STATUS, fence):
        return target
    restarted = _restarted(target, fence)
    target = _fenced(target, STATUS, fence)
    if not config_hash and status is not Reported.UNSET:
        config_hash = _meant(target, status)
    before = target
    target = replace(target, reported_hash=config_hash, reported=status, reported_error=error)
    if status is Reported.FAILED and len(config_hash) == HASH_BYTES:
        target = replace(target, failed_hashes=remembered(target.failed_hashes, config_hash))
    if target.desired is None:
        return target
    if config_hash == target.desired.config_hash:
        return _answered(target, status, error, now)
    if status is not Reported.APPLIED and restarted:
        return _interrupted(target, policy)
    return _displaced(before, target, now, policy)


# --- what people and configurations say ----------------------------------------------------------------


def desire(target: Target, desired: Desired | None, reason: Reason) -> Target:
    """
    Set what the agent should run.

    Another content ends the attempt under way as superseded. When the agent reported the new content
    already, but another was sent to it since, that report is stale and forgotten: it may be about to change.
    """
    if desired is None and reason is Reason.NONE and (target.offered_hash or target.reason is Reason.KEEP_LAST):
        reason = Reason.KEEP_LAST
    if desired is not None and target.desired is not None and desired.config_hash == target.desired.config_hash:
        return replace(target, desired=desired, reason=reason)
    if desired is None and target.desired is None:
        return replace(target, reason=reason)
    in_flight = is_open(target.attempt) and target.offered_hash != target.reported_hash
    stale = in_flight and desired is not None and target.reported_hash == desired.config_hash
    return _without_attempt(
        target,
        desired=desired,
        reason=reason,
        timeouts=0,
        effective_hash=b"",
        effective_holds=None,
        reported_hash=b"" if stale else target.reported_hash,
        reported=Reported.UNSET if stale else target.reported,
    )


def insist(target: Target) -> Target:
    """
    Let the desired content be offered again because a person asked, however it fared before.

    An agent that runs it is left in peace. An attempt under way goes on, at once.
    """
    if target.desired is None or (target.runs_desired and target.effective_matches is not False):
        return target
    wanted = target.desired.config_hash
    target = replace(
        target,
        failed_hashes=tuple(known for known in target.failed_hashes if known != wanted),
        timeouts=0,
        retry_at=None,
        offer_count=0,
    )
    if is_open(target.attempt):
        return target
    if target.reports_desired:
        target = replace(target, reported_hash=b"", reported=Reported.UNSET, reported_error="")
    return _without_attempt(target)


# --- what to do next -----------------------------------------------------------------------------------


def plan(
    target: Target, now: datetime, *, cause: Cause, requested_by: str = "", policy: Policy = DEFAULT_POLICY
) -> tuple[Target, Action]:
    """
    Decide the next act for an agent and when to look again.

    An offer is recorded here, before it is spoken: a crash in between leaves an offer nobody heard, which
    is repeated when `retry_at` comes.

    Args:
        target: The agent, with everything heard so far.

        now: Database time.

        cause: Written to the ledger should a new attempt begin.

        requested_by: Who asked; empty when the platform did.

        policy: How patient to be.

    Returns:
        The agent after the decision, and what to do once this is committed.
    """
    target = _timed_out(target, now, policy)
    if target.desired is None or not target.accepts or target.quarantined:
        if is_open(target.attempt) and (target.desired is None or not target.accepts):
            target = _without_attempt(target)
        return _waiting(target, None), Action.NOTHING
    if target.reports_desired and target.attempt is None and target.reported is Reported.APPLYING:
        target = replace(target, attempt=_attempt(target, cause, requested_by), waiting_since=now)
        return plan(_with_status(target, AttemptStatus.APPLYING), now, cause=cause, policy=policy)
    if target.runs_desired:
        return _soaked(target, now, policy)
    match target.attempt_status:
        case AttemptStatus.APPLYING:
            return _waiting(target, _since(target, now) + policy.applying_timeout), Action.NOTHING
        case AttemptStatus.OFFERED if target.delivered:
            return _silent(target, now, policy)
        case AttemptStatus.TIMED_OUT if target.timeouts >= policy.max_timeouts:
            return _given_up(target), Action.NOTHING
        case _:
            return _offered(target, now, cause, requested_by, policy)


def _offered(target: Target, now: datetime, cause: Cause, requested_by: str, policy: Policy) -> tuple[Target, Action]:
    assert target.desired is not None  # noqa: S101 - plan() looked
    wanted = target.desired.config_hash
    if not target.connected:
        due = _since(target, now) + policy.report_timeout if target.attempt_status is AttemptStatus.OFFERED else None
        return _waiting(target, due), Action.NOTHING
    if target.retry_at is not None and now < target.retry_at:
        return _waiting(target, target.retry_at), Action.NOTHING
    goes_on = target.attempt_status in (AttemptStatus.PENDING, AttemptStatus.OFFERED)
    count = target.offer_count + 1 if goes_on else 1
    retry_at = now + min(policy.redo_first * (1 << min(count - 1, 16)), policy.redo_most)
    said = {
        "offered_hash": wanted,
        "offer_count": count,
        "retry_at": retry_at,
        "delivered_epoch": 0,
        "due_at": retry_at,
    }
    if goes_on:
        return replace(target, **said), Action.OFFER
    return _without_attempt(target, attempt=_attempt(target, cause, requested_by), **said), Action.OFFER


def _silent(target: Target, now: datetime, policy: Policy) -> tuple[Target, Action]:
    """Delivered, unanswered: wait, ask once, wait on. Agents that never report are left alone."""
    if not target.capabilities & REPORTS_REMOTE_CONFIG:
        return _waiting(target, None), Action.NOTHING
    since = _since(target, now)
    if target.probed or not target.connected:
        return _waiting(target, since + policy.report_timeout), Action.NOTHING
    if now < since + policy.probe_after:
        return _waiting(target, since + policy.probe_after), Action.NOTHING
    return _waiting(replace(target, probed=True), since + policy.report_timeout), Action.PROBE


def _soaked(target: Target, now: datetime, policy: Policy) -> tuple[Target, Action]:
    """Applied: confirm once it has been healthy and in effect for the soak time."""
    attempt = target.attempt
    if attempt is None or attempt.confirmed or target.healthy is False or target.effective_matches is False:
        return _waiting(target, None), Action.NOTHING
    ready = _since(target, now) + policy.soak
    if now < ready:
        return _waiting(target, ready), Action.NOTHING
    if target.effective_matches is None and target.capabilities & REPORTS_EFFECTIVE_CONFIG:
        if target.probed or not target.connected:
            return _waiting(target, None), Action.NOTHING
        return _waiting(replace(target, probed=True), None), Action.PROBE
    return _waiting(replace(target, attempt=replace(attempt, confirmed=True)), None), Action.NOTHING


def _timed_out(target: Target, now: datetime, policy: Policy) -> Target:
    """Turn silence that lasted too long into an outcome, connected or not."""
    match target.attempt_status:
        case AttemptStatus.OFFERED:
            if not target.capabilities & REPORTS_REMOTE_CONFIG:
                return target
            patience = policy.report_timeout
        case AttemptStatus.APPLYING:
            patience = policy.applying_timeout
        case _:
            return target
    if target.attempt is None or now < _since(target, now) + patience:
        return target
    if target.reported is Reported.APPLIED and not target.reported_hash:
        # It says APPLIED and never a hash, and its status did not change: this is all it will ever say.
        target = replace(target, reported_hash=target.attempt.config_hash)
        return _answered(target, Reported.APPLIED, "", now)
    timeouts = target.timeouts + 1
    pause = policy.report_timeout * ((1 << min(timeouts - 1, 8)) - 1)
    retry_at = now + pause
    if target.retry_at is not None and target.delivered_epoch != target.epoch:
        retry_at = max(retry_at, target.retry_at)
    target = replace(target, timeouts=timeouts, retry_at=retry_at, waiting_since=None, delivered_epoch=0)
    return _with_status(target, AttemptStatus.TIMED_OUT, error="the agent did not report in time")


def _given_up(target: Target) -> Target:
    assert target.desired is not None  # noqa: S101 - plan() looked
    failed = remembered(target.failed_hashes, target.desired.config_hash)
    return _waiting(replace(target, failed_hashes=failed), None)


# --- pieces --------------------------------------------------------------------------------------------


def _answered(target: Target, status: Reported, error: str, now: datetime) -> Target:
    """The agent spoke about the desired content."""
    assert target.desired is not None  # noqa: S101 - callers looked
    wanted = target.desired.config_hash
    cleared = tuple(known for known in target.failed_hashes if known != wanted)
    match status:
        case Reported.APPLYING:
            target = replace(target, waiting_since=now, probed=False, failed_hashes=cleared)
            return _with_status(target, AttemptStatus.APPLYING)
        case Reported.APPLIED:
            first = target.attempt_status is not AttemptStatus.APPLIED
            target = replace(
                target,
                failed_hashes=cleared,
                timeouts=0,
                waiting_since=now if first else target.waiting_since,
                probed=False if first else target.probed,
            )
            return _with_status(target, AttemptStatus.APPLIED, applied_at=now)
        case Reported.FAILED:
            return _with_status(target, AttemptStatus.FAILED, error=error or "the agent gave no reason")
        case Reported.UNSET:
            return target


def _restarted(target: Target, fence: Fence) -> bool:
    """Say whether the agent came back on a new connection after it said that it is applying."""
    return target.attempt_status is AttemptStatus.APPLYING and fence[0] > target.fences.get(STATUS, fence)[0]


def _interrupted(target: Target, policy: Policy) -> Target:
    """It ended while it applied the desired content and knows nothing of that: try again, but not for ever."""
    assert target.desired is not None  # noqa: S101 - callers looked
    wanted = target.desired.config_hash
    target = replace(target, timeouts=target.timeouts + 1)
    if target.timeouts < policy.max_timeouts:
        return _without_attempt(target, retry_at=target.retry_at)
    failed = remembered(target.failed_hashes, wanted)
    told = "the agent came back without it, again and again, while applying it"
    return _with_status(replace(target, failed_hashes=failed), AttemptStatus.FAILED, error=told)


def _misled(target: Target, fence: Fence, config_hash: bytes) -> Target:
    """A content that it should not run reached the agent: have the desired one follow it."""
    target = replace(target, misled=True)
    if len(config_hash) == HASH_BYTES:
        target = replace(target, stray_hashes=remembered(target.stray_hashes, config_hash))
    match target.attempt_status:
        case AttemptStatus.PENDING if target.offer_count == 0:
            return replace(target, retry_at=None)
        case AttemptStatus.OFFERED if target.delivered:
            return replace(target, delivered_epoch=0, offer_count=0, retry_at=None)
        case AttemptStatus.APPLYING | AttemptStatus.APPLIED | AttemptStatus.NONE:
            if target.reports_desired and fence > target.fences.get(STATUS, (0, 0)):
                target = replace(target, reported_hash=b"", reported=Reported.UNSET, reported_error="")
            return target if target.runs_desired else _without_attempt(target)
        case _:
            return target


def _displaced(before: Target, target: Target, now: datetime, policy: Policy) -> Target:
    """The agent speaks about another content than the desired one, or says it has none."""
    assert target.desired is not None  # noqa: S101 - callers looked
    wanted = target.desired.config_hash
    attempt = target.attempt
    if attempt is None:
        return target
    ran_it = attempt.status is AttemptStatus.APPLIED
    if target.reported is Reported.APPLIED and target.reported_hash in target.stray_hashes:
        # We sent it there. Once: should it go back to that content again, it chose to.
        strays = tuple(known for known in target.stray_hashes if known != target.reported_hash)
        target = replace(target, stray_hashes=strays)
        tried_it = ran_it or attempt.status is AttemptStatus.APPLYING
        return _without_attempt(target) if tried_it else target
    if target.reported is Reported.APPLIED and target.reported_hash:
        tried_it = attempt.status is AttemptStatus.APPLYING or (ran_it and not attempt.confirmed)
        ignored_it = (
            attempt.status is AttemptStatus.OFFERED
            and target.delivered
            and now >= _since(before, now) + policy.crossing
        )
        if tried_it or ignored_it:
            failed = remembered(target.failed_hashes, wanted)
            told = f"the agent went back to {target.reported_hash.hex()[:12]}"
            return _with_status(replace(target, failed_hashes=failed), AttemptStatus.ROLLED_BACK_BY_AGENT, error=told)
    if ran_it and target.reported in (Reported.APPLIED, Reported.UNSET):
        return _without_attempt(target, retry_at=target.retry_at)
    return target


def _meant(target: Target, status: Reported) -> bytes:
    """Guess which content a report without hash is about: what was delivered, or what it spoke of before."""
    if target.attempt is not None and target.attempt.status in (AttemptStatus.OFFERED, AttemptStatus.APPLYING):
        return target.attempt.config_hash
    return target.reported_hash if status is target.reported else b""


def _stamped(target: Target, stamped_labels: Mapping[str, str]) -> Target:
    """Put these stamps in the place of the former ones."""
    if stamped_labels == target.stamped_labels:
        return target
    own = {key: value for key, value in target.labels.items() if key not in target.stamped_labels}
    return replace(target, labels={**own, **stamped_labels}, stamped_labels=stamped_labels)


def _moved_to(target: Target, epoch: int, gateway_id: str, now: datetime, policy: Policy) -> Target:
    return replace(
        target,
        epoch=epoch,
        gateway_id=gateway_id,
        connected=True,
        offer_count=0,
        stray_hashes=(),
        # One that runs it was asked what is in effect; that it comes back is no reason to ask again.
        probed=target.probed and target.attempt_status is AttemptStatus.APPLIED,
        # One that ends whenever it applies a content would otherwise do so for ever.
        timeouts=target.timeouts if target.attempt_status is AttemptStatus.APPLYING else 0,
        failed_hashes=_without_given_up(target),
        retry_at=now + policy.connect_grace if target.registry_hash else None,
    )


def _without_given_up(target: Target) -> tuple[bytes, ...]:
    """A new connection is a new chance for a content that was only met with silence."""
    if target.attempt_status is AttemptStatus.TIMED_OUT and target.attempt is not None:
        return tuple(known for known in target.failed_hashes if known != target.attempt.config_hash)
    return target.failed_hashes


def _attempt(target: Target, cause: Cause, requested_by: str) -> Attempt:
    assert target.desired is not None  # noqa: S101 - plan() looked
    desired = target.desired
    return Attempt(desired.config_hash, desired.name, desired.version, cause, requested_by)


_NO_ATTEMPT: Mapping[str, Any] = {
    "attempt": None,
    "offer_count": 0,
    "delivered_epoch": 0,
    "waiting_since": None,
    "probed": False,
    "retry_at": None,
}


def _without_attempt(target: Target, **changes: Any) -> Target:
    """
    End the current attempt: superseded when something was still expected of it, else as it stands.

    Args:
        target: The agent.

        changes: More to change with it.
    """
    attempt = target.attempt
    if attempt is None:
        return replace(target, **{**_NO_ATTEMPT, **changes})
    ended = attempt.to(AttemptStatus.SUPERSEDED) if attempt.status in OPEN else attempt
    return replace(target, **{**_NO_ATTEMPT, "closed": (*target.closed, ended), **changes})


def _with_status(
    target: Target, status: AttemptStatus, *, error: str = "", applied_at: datetime | None = None
) -> Target:
    if target.attempt is None:
        return target
    return replace(target, attempt=target.attempt.to(status, error=error, applied_at=applied_at))


def _waiting(target: Target, due_at: datetime | None) -> Target:
    return target if target.due_at == due_at else replace(target, due_at=due_at)


def _since(target: Target, now: datetime) -> datetime:
    return target.waiting_since or now


def _turn(target: Target, epoch: int) -> int:
    """Tell the highest turn of that connection we heard of."""
    return max((fence[1] >> TURN_SHIFT for fence in target.fences.values() if fence[0] == epoch), default=0)


def _is_fresh(target: Target, kind: str, fence: Fence) -> bool:
    return fence > target.fences.get(kind, (0, 0))


def _fenced(target: Target, kind: str, fence: Fence) -> Target:
    return replace(target, fences={**target.fences, kind: fence})
