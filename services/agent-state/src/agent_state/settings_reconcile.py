"""
Where an agent stands with its connection settings, and what to do next. Pure: values in, values out.

Offered is what is desired and was not reported; an offer is recorded before it is spoken and repeated until it was
delivered. Never offered again: what the agent reported FAILED, and what it left unanswered several times,
until the settings change or a person asks. An agent that reports no status is told once per connection.

Settings make clients reconnect, and some forget over it what they were given. So what was delivered a moment
before a new connection counts as delivered on it too; else they would be told, reconnect and be told for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from opamp.v1 import opamp_pb2 as opamp

REPORTS_STATUS: Final = int(opamp.AgentCapabilities_ReportsConnectionSettingsStatus)


class State(StrEnum):
    """Where an agent stands."""

    NONE = "none"
    PENDING = "pending"
    OFFERED = "offered"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


class Reported(StrEnum):
    """What an agent says of the settings it was given."""

    UNSET = "unset"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"


REPORTED_OF: Final = {
    opamp.ConnectionSettingsStatuses_APPLIED: Reported.APPLIED,
    opamp.ConnectionSettingsStatuses_APPLYING: Reported.APPLYING,
    opamp.ConnectionSettingsStatuses_FAILED: Reported.FAILED,
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How patient the machine is."""

    redo_first: timedelta = timedelta(seconds=10)
    """Not delivered: offer again after this, then twice as long each time ..."""

    redo_most: timedelta = timedelta(seconds=60)
    """... up to this."""

    report_timeout: timedelta = timedelta(seconds=60)
    """Delivered and nothing heard for this long."""

    applying_timeout: timedelta = timedelta(seconds=300)
    max_silences: int = 3
    reconnect: timedelta = timedelta(seconds=120)
    """A connection begun this soon after a delivery is taken to be its consequence."""


DEFAULT_PATIENCE: Final = Patience()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is remembered of one agent."""

    tenant_id: str
    uid: bytes
    desired_hash: bytes = b""
    policies: Sequence[str] = ()
    fault: str = ""
    retries: int = 0
    offered_hash: bytes = b""
    offered_at: datetime | None = None
    offer_count: int = 0
    delivered_hash: bytes = b""
    delivered_at: datetime | None = None
    delivered_epoch: int = 0
    silences: int = 0
    reported_hash: bytes = b""
    reported_error: str = ""
    state: State = State.NONE
    seen_epoch: int = 0
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """How things are with the agent itself."""

    epoch: int
    connected: bool
    withheld: bool
    capabilities: int
    reported_hash: bytes
    reported: Reported
    reported_error: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What it should have; an empty hash = nothing."""

    desired_hash: bytes
    policies: Sequence[str] = ()
    fault: str = ""


def plan(
    standing: Standing, situation: Situation, wish: Wish, now: datetime, patience: Patience = DEFAULT_PATIENCE
) -> tuple[Standing, bool]:
    """
    Decide the next act for an agent.

    Returns:
        Where it stands after the decision, and whether the wish is to be offered once this is committed.
    """
    standing = _on_connection(_wishing(standing, wish), situation, now, patience)
    standing = replace(standing, reported_hash=situation.reported_hash, reported_error=situation.reported_error)
    if not wish.desired_hash:
        return _waiting(standing, State.NONE), False
    reports = bool(situation.capabilities & REPORTS_STATUS or situation.reported_hash)
    if situation.reported_hash == wish.desired_hash:
        return _answered(standing, situation, now, patience), False
    if standing.state is State.FAILED:
        return _waiting(standing, State.FAILED), False
    if situation.withheld or not situation.connected:
        return _waiting(standing, _held(standing)), False
    if not _delivered(standing, situation):
        return _offer(standing, now, patience)
    if not reports:
        return _waiting(standing, State.OFFERED), False
    return _silent(standing, now, patience)


def is_due_on_arrival(
    standing: Standing | None,
    settings_hash: bytes,
    last_hash: bytes,
    now: datetime,
    patience: Patience = DEFAULT_PATIENCE,
) -> bool:
    """
    Say whether the first answer of a connection is to carry the settings of this hash.

    Args:
        standing: What is remembered; None = nothing.

        settings_hash: Of what the agent should have.

        last_hash: What it says it was given last; empty = it does not say.

        now: Database time.

        patience: How long a delivery counts for the connection after it.
    """
    if standing is not None and standing.desired_hash == settings_hash and standing.state is State.FAILED:
        return False
    if last_hash:
        return last_hash != settings_hash
    if standing is None:
        return True
    recent = standing.delivered_at is not None and now - standing.delivered_at < patience.reconnect
    return not (recent and standing.delivered_hash == settings_hash)


def arrived(standing: Standing, settings_hash: bytes, now: datetime) -> Standing:
    """Take that the first answer of a connection carries settings; the number of the connection is not known yet."""
    return replace(
        standing,
        offered_hash=settings_hash,
        offered_at=now,
        delivered_hash=settings_hash,
        delivered_at=now,
        delivered_epoch=0,
    )


def insist(standing: Standing, now: datetime) -> Standing:
    """
    Let settings that failed or were left unanswered be offered again, because a person asked.

    The retry becomes part of the hash: agents do not look twice at a hash they know. Others are left in peace.
    """
    if standing.state not in (State.FAILED, State.TIMED_OUT):
        return standing
    return replace(standing, retries=standing.retries + 1, due_at=now)


def _wishing(standing: Standing, wish: Wish) -> Standing:
    standing = replace(standing, policies=tuple(wish.policies), fault=wish.fault)
    if wish.desired_hash == standing.desired_hash:
        return standing
    return replace(
        standing, desired_hash=wish.desired_hash, state=State.PENDING, offer_count=0, silences=0, due_at=None
    )


def _on_connection(standing: Standing, situation: Situation, now: datetime, patience: Patience) -> Standing:
    """Begin anew with a new connection, unless it is the consequence of the last delivery."""
    is_new = situation.epoch != standing.seen_epoch
    if not is_new and standing.delivered_epoch:
        return standing
    recent = standing.delivered_at is not None and now - standing.delivered_at < patience.reconnect
    if recent and standing.delivered_hash:
        return replace(standing, seen_epoch=situation.epoch, delivered_epoch=situation.epoch)
    if not is_new:
        return standing
    return replace(standing, seen_epoch=situation.epoch, offer_count=0, silences=0, due_at=None)


def _answered(standing: Standing, situation: Situation, now: datetime, patience: Patience) -> Standing:
    """Take the agent's word on what is desired."""
    match situation.reported:
        case Reported.APPLIED:
            return _waiting(replace(standing, silences=0), State.APPLIED)
        case Reported.FAILED:
            return _waiting(standing, State.FAILED)
        case Reported.APPLYING:
            limit = (standing.delivered_at or standing.offered_at or now) + patience.applying_timeout
            if now < limit:
                return replace(standing, state=State.APPLYING, due_at=limit)
            return _waiting(standing, State.TIMED_OUT)
        case Reported.UNSET:
            return _waiting(standing, State.OFFERED)


def _delivered(standing: Standing, situation: Situation) -> bool:
    return standing.delivered_hash == standing.desired_hash and standing.delivered_epoch == situation.epoch


def _silent(standing: Standing, now: datetime, patience: Patience) -> tuple[Standing, bool]:
    """Delivered, and the agent says nothing of it: wait, tell it again, and give up at last."""
    if standing.silences >= patience.max_silences:
        return _waiting(standing, State.TIMED_OUT), False
    limit = (standing.delivered_at or now) + patience.report_timeout
    if now < limit:
        return replace(standing, state=_spoken(standing), due_at=limit), False
    standing = replace(standing, silences=standing.silences + 1)
    if standing.silences >= patience.max_silences:
        return _waiting(standing, State.TIMED_OUT), False
    return _offer(replace(standing, delivered_hash=b"", offer_count=0, due_at=None), now, patience)


def _offer(standing: Standing, now: datetime, patience: Patience) -> tuple[Standing, bool]:
    """Offer, unless it was done a moment ago."""
    if standing.offer_count and standing.due_at is not None and now < standing.due_at:
        return replace(standing, state=_spoken(standing)), False
    count = standing.offer_count + 1
    pause = min(patience.redo_first * (1 << min(count - 1, 16)), patience.redo_most)
    offered = replace(
        standing,
        offered_hash=standing.desired_hash,
        offered_at=now,
        offer_count=count,
        state=_spoken(standing),
        due_at=now + pause,
    )
    return offered, True


def _spoken(standing: Standing) -> State:
    return State.TIMED_OUT if standing.silences else State.OFFERED


def _held(standing: Standing) -> State:
    """An agent that is away, or waits for approval, stays where it was; but it has not applied what is desired."""
    return standing.state if standing.state in (State.OFFERED, State.TIMED_OUT) else State.PENDING


def _waiting(standing: Standing, state: State) -> Standing:
    return replace(standing, state=state, due_at=None)
