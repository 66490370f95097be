"""
The machine that makes what agents have agree with what they should: what was heard moves a target, plan() says what to
do next.

Pure: values in, values out, the time handed in. Everything is repeatable: a fact that is late or repeated (its fence
is not newer than the last of its kind) changes nothing. Kinds are fenced apart from each other, because the last words
of an old connection may arrive after the first of the next, and an agent need not repeat them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from package_service.offering import standing as standings
from package_service.offering.machine import machine_of
from package_service.offering.standing import BUSY, UNDER_WAY, Said, Standing, State, moved
from servicekit.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from package_service.offering.target import Fence, Has, Target

CONNECTION = "connection"
DESCRIPTION = "description"
STATUSES = "statuses"
HEALTH = "health"
DELIVERY = "delivery"
LOST = "lost"

TURN_SHIFT = 32
"""A sequence is turn << 32 | number: the turn grows when a polling agent's session moves between gateways."""

SILENT = "the agent did not answer the offer in time"
STUCK = "the agent told of no progress for too long"


class Action(Enum):
    """What to do once a decision is committed."""

    NOTHING = auto()
    OFFER = auto()
    PROBE = auto()
    """Ask for the full state."""


@dataclass(frozen=True)
class Policy:
    """How patient the machine is."""

    redo_first: timedelta = timedelta(seconds=10)
    """Undelivered: offer again after this, then twice as long each time ..."""

    redo_most: timedelta = timedelta(seconds=60)
    """... up to this."""

    probe_after: timedelta = timedelta(seconds=15)
    """Delivered and silent this long: ask for the full state."""

    report_timeout: timedelta = timedelta(seconds=60)
    """Delivered and silent this long: timed out."""

    install_timeout: timedelta = timedelta(seconds=900)
    """Downloading or installing without progress this long: timed out."""

    max_timeouts: int = 3
    """Silent offers in a row before this connection is left in peace."""


DEFAULT_POLICY = Policy()


# --- what agents say -----------------------------------------------------------------------------------


def on_connected(
    target: Target,
    fence: Fence,
    *,
    gateway_id: str,
    capabilities: int,
    stamped_labels: Mapping[str, str],
    withheld: bool,
) -> Target:
    """Take a new connection; reports stand, for an agent that reconnects need not repeat them."""
    if not _is_fresh(target, CONNECTION, fence) or fence[0] < target.epoch:
        return target
    own = {key: value for key, value in target.labels.items() if key not in target.stamped_labels}
    target = replace(
        _able(_fenced(target, CONNECTION, fence), capabilities), stamped_labels=dict(stamped_labels), withheld=withheld
    )
    lost = target.fences.get(LOST, (0, 0))
    moved_to = _moved_to(target, fence[0], gateway_id)
    # Somebody else may have told us that this connection was lost before we heard it begin.
    moved_to = replace(moved_to, connected=not (lost[0] == fence[0] and lost[1] >= fence[1]))
    return _matched(moved_to, {**own, **stamped_labels})


def on_disconnected(target: Target, fence: Fence) -> Target:
    """End a connection, unless a newer one is known, or the session went on at another gateway."""
    if not _is_fresh(target, CONNECTION, fence) or fence[0] < target.epoch:
        return target
    if _turn(target, fence[0]) > fence[1] >> TURN_SHIFT:
        return _fenced(target, CONNECTION, fence)
    return replace(_fenced(target, CONNECTION, fence), epoch=fence[0], connected=False)


def on_lost(target: Target, fence: Fence) -> Target:
    """
    Take that a connection ended of which no gateway says so: its gateway died, or its heartbeats ceased.

    Args:
        target: The agent.

        fence: The last that was heard of the connection by whoever gave it up.
    """
    if fence[0] < target.epoch or (fence[0] == target.epoch and not target.connected):
        return target
    return replace(_fenced(target, LOST, fence), epoch=fence[0], connected=False)


def on_found(target: Target, epoch: int) -> Target:
    """Take that a connection given up for lost is alive."""
    if target.connected or epoch != target.epoch or target.fences.get(LOST, (0, 0))[0] != epoch:
        return target
    return replace(target, connected=True, fences={kind: at for kind, at in target.fences.items() if kind != LOST})


def on_heard(target: Target, fence: Fence, *, gateway_id: str) -> Target:
    """
    Take any fact of a connection we never heard begin as proof that it exists, and where.

    A polling agent may be balanced to another gateway without a new connection: its turn is higher there. What
    the former gateway was asked to offer may wait there for ever, so it is offered anew.
    """
    if fence[0] > target.epoch:
        return _moved_to(target, fence[0], gateway_id)
    if fence[0] < target.epoch or fence[1] >> TURN_SHIFT <= _turn(target, fence[0]):
        return target
    target = replace(target, gateway_id=gateway_id, connected=True)
    return target if target.delivered else replace(target, offer_count=0, retry_at=None)


def on_described(target: Target, fence: Fence, *, labels: Mapping[str, str] | None, capabilities: int) -> Target:
    """Take labels (None = unchanged) and capabilities (0 = unchanged)."""
    if not _is_fresh(target, DESCRIPTION, fence):
        return target
    target = _able(_fenced(target, DESCRIPTION, fence), capabilities)
    return target if labels is None else _matched(target, {**labels, **target.stamped_labels})


def on_health(target: Target, fence: Fence, *, healthy: bool) -> Target:
    """Take the agent's own verdict."""
    if not _is_fresh(target, HEALTH, fence):
        return target
    return replace(_fenced(target, HEALTH, fence), healthy=healthy)


def on_delivered(target: Target, fence: Fence, *, content_hash: bytes, now: datetime) -> Target:
    """Take that an offer left the gateway for the agent; another content than the last one counts for nothing."""
    if not _is_fresh(target, DELIVERY, fence):
        return target
    target = _fenced(target, DELIVERY, fence)
    if content_hash != target.content_hash or target.offered_hash != target.desired_hash or fence[0] != target.epoch:
        return target
    again = target.delivered
    return replace(
        target,
        delivered_epoch=fence[0],
        waiting_since=target.waiting_since if again else now,
        probed=target.probed and again,
        packages={name: standings.delivered(item, now) for name, item in target.packages.items()},
    )


def on_statuses(
    target: Target,
    fence: Fence,
    *,
    said: Mapping[str, Said],
    has: Mapping[str, Has],
    all_hash: bytes,
    error: str,
    now: datetime,
) -> Target:
    """
    Take the agent's word on all its packages.

    Args:
        target: The agent.

        fence: (epoch, sequence) of the fact.

        said: By package, those nobody offered included.

        has: What of them it has.

        all_hash: Of the list it speaks of; some agents never tell it, then it is taken to be the last one.

        error: What went wrong with no package in particular.

        now: Database time.
    """
    if not _is_fresh(target, STATUSES, fence):
        return target
    target = _fenced(target, STATUSES, fence)
    if not all_hash and target.delivered:
        all_hash = target.offered_hash
    about = bool(all_hash) and all_hash == target.offered_hash
    packages = {
        name: standings.reported(item, said.get(name), about=about, now=now) for name, item in target.packages.items()
    }
    if error and about:
        packages = {
            name: moved(item, State.FAILED, now, error=error) if item.state in UNDER_WAY else item
            for name, item in packages.items()
        }
    failed_anew = any(item.failed_hashes != target.packages[name].failed_hashes for name, item in packages.items())
    # What stands in for what failed, and whether a list must wait, depends on what the agent has.
    counts = bool(target.held) or any(item.is_quarantined for item in packages.values())
    if all_hash not in {target.desired_hash, target.reported_hash} and target.delivered:
        # It has had the list and names another since: it needs the list again. One that merely goes on naming the
        # hash it named before may be about to begin.
        target = replace(target, delivered_epoch=0, waiting_since=None, probed=False)
    return replace(
        target,
        packages=packages,
        reported_hash=all_hash,
        reported_error=error,
        reported=dict(has),
        dirty=target.dirty or failed_anew or (counts and has != target.reported),
    )


# --- what people say -----------------------------------------------------------------------------------


def retry(target: Target, package: str, author: str, now: datetime) -> Target:
    """
    Offer a package again because somebody asked; what is under way or installed goes on as it is.

    Returns:
        The very same target when there was nothing to do.
    """
    before = target.packages[package]
    after = standings.retried(before, author, now)
    if after is before:
        return target
    target = replace(target, packages={**target.packages, package: after}, dirty=True)
    if after.state is before.state:
        return target
    return replace(
        target,
        offer_count=0,
        retry_at=None,
        delivered_epoch=0,
        timeouts=0,
    )


# --- what to do next -----------------------------------------------------------------------------------


def desire(target: Target, desired_hash: bytes, held: str) -> Target:
    """Set the list an agent should have; another one begins anew."""
    target = replace(target, held=held, dirty=False)
    if desired_hash == target.desired_hash:
        return target
    return replace(
        target, desired_hash=desired_hash, offer_count=0, retry_at=None, waiting_since=None, probed=False, timeouts=0
    )


def plan(
    target: Target, now: datetime, policy: Policy = DEFAULT_POLICY, *, sendable: bool = True
) -> tuple[Target, Action]:
    """
    Decide the next act for an agent and when to look again.

    An offer is recorded here, before it is spoken: a crash in between leaves an offer nobody heard, which is
    repeated when `retry_at` comes. Its content_hash is the caller's to set.

    Args:
        target: The agent.

        now: Database time.

        policy: How patient to be.

        sendable: Whether every file of its list may be offered now. Otherwise nothing is sent: when that changes, the
            agent is looked at anew.
    """
    target = _timed_out(target, now, policy)
    action = Action.NOTHING
    due: datetime | None = None
    if target.connected and target.accepts and not target.withheld and target.desired_hash:
        if target.in_step:
            target = replace(target, timeouts=0, waiting_since=None) if target.waiting_since else target
        elif target.delivered:
            target, action, due = _silent(target, now, policy)
        elif not sendable or target.is_blocked or target.timeouts >= policy.max_timeouts:
            pass
        elif target.retry_at is not None and now < target.retry_at:
            due = target.retry_at
        else:
            target, action = _offered(target, now, policy), Action.OFFER
            due = target.retry_at
    moments = [moment for moment in (due, _stuck_at(target, policy)) if moment is not None]
    if target.dirty:
        moments.append(now)
    return replace(target, due_at=min(moments, default=None)), action


def _offered(target: Target, now: datetime, policy: Policy) -> Target:
    pause = min(policy.redo_first * (1 << min(target.offer_count, 16)), policy.redo_most)
    return replace(
        target,
        offered_hash=target.desired_hash,
        offer_count=target.offer_count + 1,
        retry_at=now + pause,
        delivered_epoch=0,
        waiting_since=None,
        probed=False,
    )


def _silent(target: Target, now: datetime, policy: Policy) -> tuple[Target, Action, datetime | None]:
    """Delivered, unanswered: wait, ask once, offer again. Agents that never report are left alone."""
    if not target.reports:
        return target, Action.NOTHING, None
    since = target.waiting_since or now
    target = replace(target, waiting_since=since)
    if now >= since + policy.report_timeout:
        pause = policy.report_timeout * (1 << min(target.timeouts, 6))
        retry_at = now + pause
        silent = replace(
            target,
            timeouts=target.timeouts + 1,
            delivered_epoch=0,
            waiting_since=None,
            retry_at=retry_at,
            packages={
                name: moved(item, State.TIMED_OUT, now, error=SILENT) if item.state is State.OFFERED else item
                for name, item in target.packages.items()
            },
        )
        return silent, Action.NOTHING, retry_at if silent.timeouts < policy.max_timeouts else None
    if target.probed:
        return target, Action.NOTHING, since + policy.report_timeout
    if now < since + policy.probe_after:
        return target, Action.NOTHING, since + policy.probe_after
    return replace(target, probed=True), Action.PROBE, since + policy.report_timeout


def _timed_out(target: Target, now: datetime, policy: Policy) -> Target:
    """Turn want of progress that lasted too long into an outcome, connected or not."""
    late = {
        name: moved(item, State.TIMED_OUT, now, error=STUCK)
        for name, item in target.packages.items()
        if (moment := _patience(target, item, policy)) is not None and now >= moment
    }
    return replace(target, packages={**target.packages, **late}) if late else target


def _stuck_at(target: Target, policy: Policy) -> datetime | None:
    return min(
        (moment for item in target.packages.values() if (moment := _patience(target, item, policy)) is not None),
        default=None,
    )


def _patience(target: Target, item: Standing, policy: Policy) -> datetime | None:
    """Tell until when a package may stand where it stands; None = for ever."""
    if item.state in BUSY:
        return item.moved_at + policy.install_timeout
    if item.state is State.OFFERED and target.reports and target.in_step:
        # It knows the list and has not said that it begins.
        return item.moved_at + policy.install_timeout
    return None


# --- pieces --------------------------------------------------------------------------------------------


def _able(target: Target, capabilities: int) -> Target:
    """Take capabilities, 0 = as they were; what the agent should have may be another then."""
    if not capabilities or capabilities == target.capabilities:
        return target
    return replace(target, capabilities=capabilities, dirty=True)


def _matched(target: Target, labels: Mapping[str, str]) -> Target:
    """Take new labels; what the agent should have may be another then."""
    if labels == target.labels:
        return target
    return replace(target, labels=labels, machine=machine_of(labels), dirty=True)


def _moved_to(target: Target, epoch: int, gateway_id: str) -> Target:
    """A new connection is a new chance."""
    return replace(
        target,
        epoch=epoch,
        gateway_id=gateway_id,
        connected=True,
        offer_count=0,
        retry_at=None,
        probed=False,
        timeouts=0,
        waiting_since=None,
    )


def _is_fresh(target: Target, kind: str, fence: Fence) -> bool:
    return fence > target.fences.get(kind, (0, 0))


def _fenced(target: Target, kind: str, fence: Fence) -> Target:
    return replace(target, fences={**target.fences, kind: fence})


def _turn(target: Target, epoch: int) -> int:
    """Tell the highest turn heard of a connection."""
    return max((fence[1] >> TURN_SHIFT for fence in target.fences.values() if fence[0] == epoch), default=0)
