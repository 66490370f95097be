"""
One agent as config-service sees it: what it should run, what it was offered, what it reported.

Pure. The row of the table agent_target and its current attempt, as one value; reconcile.py moves it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from config_service.attempt import OPEN, AttemptStatus, Cause, moved
from config_service.selector import Reason
from opamp.v1 import opamp_pb2
from servicekit import records

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

ACCEPTS_REMOTE_CONFIG = int(opamp_pb2.AgentCapabilities_AcceptsRemoteConfig)
REPORTS_REMOTE_CONFIG = int(opamp_pb2.AgentCapabilities_ReportsRemoteConfig)
REPORTS_EFFECTIVE_CONFIG = int(opamp_pb2.AgentCapabilities_ReportsEffectiveConfig)

replace = records.replace

Fence = tuple[int, int]
"""(epoch, sequence) of the newest fact of one kind that was taken."""

HASH_BYTES = 32
"""Length of the hashes we give; an agent may report any other."""

MAX_FAILED_HASHES = 8
"""Hashes remembered as failed per agent; the newest stay."""


class Reported(StrEnum):
    """What an agent last said of its remote configuration."""

    UNSET = "unset"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"


class State(StrEnum):
    """Where an agent stands with the configuration it should run."""

    NONE = "none"
    PENDING = "pending"
    OFFERED = "offered"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    DRIFTED = "drifted"


@dataclass(frozen=True, slots=True)
class Desired:
    """The content an agent should run and the configuration version it comes from."""

    name: str
    version: int
    config_hash: bytes


@dataclass(frozen=True)
class Attempt:
    """One try to make the agent run one content; a row of the ledger. id 0 = not stored yet."""

    config_hash: bytes
    name: str
    version: int
    cause: Cause
    requested_by: str = ""
    status: AttemptStatus = AttemptStatus.PENDING
    error: str = ""
    offered_at: datetime | None = None
    applied_at: datetime | None = None
    confirmed: bool = False
    id: int = 0
    number: int = 0

    def to(
        self,
        status: AttemptStatus,
        *,
        error: str = "",
        offered_at: datetime | None = None,
        applied_at: datetime | None = None,
    ) -> Attempt:
        """Return the attempt after a move; a move that is not allowed changes nothing."""
        if moved(self.status, status) is self.status:
            return self
        return replace(
            self,
            status=status,
            error=error,
            offered_at=offered_at or self.offered_at,
            applied_at=applied_at or self.applied_at,
            confirmed=False,
        )


@dataclass(frozen=True)
class Target:
    """Everything that decides what happens next for one agent."""

    tenant_id: str
    uid: bytes

    epoch: int = 0
    """Newest connection heard of."""

    gateway_id: str = ""
    connected: bool = False
    capabilities: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the agent says of itself, and the stamped ones, which win."""

    stamped_labels: Mapping[str, str] = field(default_factory=dict)
    """What its enrolment says of it."""

    withheld: bool = False
    """Whether it waits for approval: nothing is offered to it."""

    fences: Mapping[str, Fence] = field(default_factory=dict)

    assigned_name: str = ""
    desired: Desired | None = None
    reason: Reason = Reason.NONE

    generation: int = 0
    """Grows with every change of what the registry should say."""

    attempt: Attempt | None = None
    """The current try to make the agent run `desired`; None before the first."""

    offered_hash: bytes = b""
    """What was last sent towards the agent."""

    offer_count: int = 0
    """Offers of this attempt on this connection."""

    retry_at: datetime | None = None
    """No offer of the same content before this moment."""

    delivered_epoch: int = 0
    """Connection on which the current attempt reached the agent; 0 = not yet."""

    waiting_since: datetime | None = None
    """From when silence, or soaking, is counted."""

    probed: bool = False
    """Whether the agent was already asked for its full state in this wait."""

    timeouts: int = 0
    """Attempts in a row that ended in silence."""

    reported_hash: bytes = b""
    reported: Reported = Reported.UNSET
    reported_error: str = ""
    healthy: bool | None = None
    effective_hash: bytes = b""
    """The content the last effective configuration was compared with."""

    effective_holds: bool | None = None
    """Whether the effective configuration contained that content; None = cannot tell."""

    failed_hashes: tuple[bytes, ...] = ()
    """Contents this agent refused, rolled back or never answered; newest last."""

    stray_hashes: tuple[bytes, ...] = ()
    """Contents that reached the agent on its present connection though it should not run them; newest last."""

    due_at: datetime | None = None
    """When to look at this agent again without being told anything."""

    closed: tuple[Attempt, ...] = ()
    """Attempts that ended in this transaction; not part of the row."""

    misled: bool = False
    """Whether a gateway was heard to offer something else: the registry must be told; not part of the row."""

    @property
    def accepts(self) -> bool:
        """Whether the agent said it takes remote configuration, and may be sent any."""
        return bool(self.capabilities & ACCEPTS_REMOTE_CONFIG) and not self.withheld

    @property
    def attempt_status(self) -> AttemptStatus:
        """Status of the current attempt; NONE without one."""
        return self.attempt.status if self.attempt else AttemptStatus.NONE

    @property
    def quarantined(self) -> bool:
        """Whether the desired content failed here and waits for a person."""
        return self.desired is not None and self.desired.config_hash in self.failed_hashes

    @property
    def reports_desired(self) -> bool:
        """Whether the agent's last report is about the desired content."""
        return self.desired is not None and self.reported_hash == self.desired.config_hash

    @property
    def runs_desired(self) -> bool:
        """Whether the agent said APPLIED of the desired content and nothing contradicts it."""
        return (
            self.reports_desired
            and self.reported is Reported.APPLIED
            and self.attempt_status in (AttemptStatus.NONE, AttemptStatus.APPLIED)
        )

    @property
    def effective_matches(self) -> bool | None:
        """Whether the effective configuration holds the desired content; None = not known."""
        if self.desired is None or self.effective_hash != self.desired.config_hash:
            return None
        return self.effective_holds

    @property
    def delivered(self) -> bool:
        """Whether the current attempt reached the agent on its present connection."""
        return self.delivered_epoch != 0 and self.delivered_epoch == self.epoch

    @property
    def registry_hash(self) -> bytes:
        """What a gateway may offer at connect without asking; empty = nothing."""
        if self.desired is None or not self.accepts or self.quarantined:
            return b""
        return self.desired.config_hash

    @property
    def state(self) -> State:
        """Where the agent stands, in one word."""
        if self.desired is None or not self.accepts:
            return State.NONE
        if self.attempt_status is AttemptStatus.TIMED_OUT:
            return State.TIMED_OUT
        if self.quarantined:
            return State.FAILED
        if self.runs_desired:
            return State.DRIFTED if self.effective_matches is False else State.APPLIED
        if self.attempt_status is AttemptStatus.APPLYING:
            return State.APPLYING
        if self.attempt_status is AttemptStatus.OFFERED:
            return State.OFFERED
        return State.PENDING

    @property
    def error(self) -> str:
        """Why the agent does not run what it should; empty when it does or may yet."""
        if self.desired is None or self.state not in (State.FAILED, State.TIMED_OUT):
            return ""
        if self.attempt is not None and self.attempt.error:
            return self.attempt.error
        return "this content failed on this agent before; push it or clear the failure to try again"


def remembered(failed: tuple[bytes, ...], config_hash: bytes) -> tuple[bytes, ...]:
    """Add a failed content, newest last, bounded."""
    return (*(known for known in failed if known != config_hash), config_hash)[-MAX_FAILED_HASHES:]


def is_open(attempt: Attempt | None) -> bool:
    """Say whether something is still expected of the attempt."""
    return attempt is not None and attempt.status in OPEN
