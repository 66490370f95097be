"""
Where one agent stands with one package: what it should have of it, and what it made of that. Pure.

    pending → offered → downloading → installing → installed
                 ╰──────────┴──────────────┴─────→ failed | rolled_back | timed_out

The agent's word always wins over our clock: what timed out is installed as soon as it says so. What failed or was
rolled back is remembered by its content, however it is signed and wherever it is fetched, and not offered again until
somebody asks, or another content is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from opamp.v1 import opamp_pb2 as opamp
from servicekit.records import replace

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

MAX_FAILED_HASHES = 8
"""Contents remembered as failed per agent and package; the newest stay."""

NEW = 0
"""As attempt_id: to be written to the ledger."""


class State(StrEnum):
    """Where an agent stands."""

    PENDING = "pending"
    """Not delivered, or nothing there is to deliver; `error` says why."""

    OFFERED = "offered"
    DOWNLOADING = "downloading"
    INSTALLING = "installing"
    INSTALLED = "installed"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    TIMED_OUT = "timed_out"


UNDER_WAY = frozenset({State.OFFERED, State.DOWNLOADING, State.INSTALLING})
"""Something is still expected of the agent."""

BUSY = frozenset({State.DOWNLOADING, State.INSTALLING})
GIVEN_UP = frozenset({State.FAILED, State.ROLLED_BACK, State.TIMED_OUT})
"""Nothing more happens unless somebody asks, or the agent itself goes on."""

SOMEBODY = "somebody"
"""Who asked, when they did not say."""

SUPERSEDED = "superseded"
"""How a try ends in the ledger when something else is wanted meanwhile."""


class Said(NamedTuple):
    """What an agent said of one package."""

    version: str = ""
    """Of what it has; empty = nothing."""

    hash: bytes = b""
    offered_hash: bytes = b""
    status: int = opamp.PackageStatusEnum_Installed
    error: str = ""
    percent: float = 0.0


@dataclass(frozen=True)
class Standing:
    """One row of agent_package."""

    package: str
    assignment_id: UUID
    since: datetime
    """When it came into this state."""

    moved_at: datetime
    """The last sign of progress."""

    version: str = ""
    file_id: UUID | None = None
    """None = no file fits."""

    package_hash: bytes = b""
    content_hash: bytes = b""
    """SHA-256 of the file that is wanted; empty = no file fits."""

    listed_file_id: UUID | None = None
    """What the agent's list holds of this package."""

    state: State = State.PENDING
    percent: float = 0.0
    error: str = ""
    failed_hashes: tuple[bytes, ...] = ()
    """content_hash of what failed here, newest last."""

    attempt_id: int | None = None
    requested_by: str = ""

    @property
    def is_listed(self) -> bool:
        """Whether the list holds what is wanted."""
        return self.file_id is not None and self.listed_file_id == self.file_id

    @property
    def waits(self) -> bool:
        """Whether it is to be told to the agent."""
        return self.state is State.PENDING and self.is_listed

    @property
    def is_quarantined(self) -> bool:
        """Whether what is wanted failed here and waits for somebody to ask."""
        return bool(self.content_hash) and self.content_hash in self.failed_hashes

    @property
    def is_forgiven(self) -> bool:
        """Whether what is wanted failed here, and somebody asked for it again since."""
        return self.state in {State.FAILED, State.ROLLED_BACK} and bool(self.content_hash) and not self.is_quarantined


def moved(standing: Standing, state: State, now: datetime, *, error: str = "", percent: float = 0.0) -> Standing:
    """Come into a state; the first one after the delivery opens a try in the ledger."""
    begins = standing.attempt_id is None and (state in UNDER_WAY or state in GIVEN_UP)
    failed = without(standing.failed_hashes, standing.content_hash)
    if state in {State.FAILED, State.ROLLED_BACK} and standing.content_hash:
        failed = (*failed, standing.content_hash)
    elif state is not State.INSTALLED:
        failed = standing.failed_hashes
    same = state is standing.state
    if same and (error, percent, failed) == (standing.error, standing.percent, standing.failed_hashes):
        return standing
    return replace(
        standing,
        state=state,
        error=error,
        percent=percent,
        failed_hashes=failed[-MAX_FAILED_HASHES:],
        attempt_id=NEW if begins else standing.attempt_id,
        since=standing.since if same else now,
        moved_at=now,
    )


def delivered(standing: Standing, now: datetime) -> Standing:
    """Take that the list reached the agent."""
    if standing.waits:
        return moved(standing, State.OFFERED, now)
    if standing.state is State.TIMED_OUT and standing.is_listed:
        return moved(replace(standing, attempt_id=None), State.OFFERED, now)
    if standing.state is State.OFFERED:
        return replace(standing, moved_at=now)
    return standing


def reported(standing: Standing, said: Said | None, *, about: bool, now: datetime) -> Standing:
    """
    Take the agent's word on this package.

    Args:
        standing: As it was.

        said: None when its list of packages, which is always complete, is without this one.

        about: Whether the agent speaks of the list it was sent last.

        now: Database time.
    """
    if not standing.package_hash:
        return standing
    if said is None:
        if standing.state is State.INSTALLED and about:
            return moved(standing, State.ROLLED_BACK, now, error="the agent does not have it any more")
        return standing
    concerns = said.offered_hash == standing.package_hash or (about and _may_mean(standing, said))
    if _has(standing, said, concerns=concerns):
        return moved(standing, State.INSTALLED, now)
    if not concerns:
        # It speaks of an older list, and gets this one (again).
        return moved(standing, State.PENDING, now) if standing.state is State.INSTALLED else standing
    match said.status:
        case opamp.PackageStatusEnum_Downloading:
            return moved(standing, State.DOWNLOADING, now, percent=min(max(said.percent, 0.0), 100.0))
        case opamp.PackageStatusEnum_Installing:
            return moved(standing, State.INSTALLING, now)
        case opamp.PackageStatusEnum_InstallFailed if not (standing.state is State.PENDING and standing.requested_by):
            # Of one that somebody asked to be offered again this would be old news.
            return moved(standing, State.FAILED, now, error=said.error or "the agent gave no reason")
        case opamp.PackageStatusEnum_Installed if said.hash and (
            standing.state in BUSY or (standing.state is State.INSTALLED and about)
        ):
            return moved(standing, State.ROLLED_BACK, now, error=f"the agent went back to {said.version or 'another'}")
        case _:
            return standing


def retried(standing: Standing, author: str, now: datetime) -> Standing:
    """
    Forget what failed because somebody asked, and let what is wanted be offered again if it was given up.

    What is under way or installed goes on, but what failed before it may be offered again when it is wanted.
    """
    if standing.state not in GIVEN_UP:
        return replace(standing, failed_hashes=()) if standing.failed_hashes else standing
    return replace(
        standing,
        state=State.PENDING,
        error="",
        percent=0.0,
        failed_hashes=(),
        attempt_id=None,
        requested_by=author or SOMEBODY,
        since=now,
        moved_at=now,
    )


def without(failed: tuple[bytes, ...], content_hash: bytes) -> tuple[bytes, ...]:
    """Forget one content."""
    return tuple(known for known in failed if known != content_hash)


def _may_mean(standing: Standing, said: Said) -> bool:
    """
    Say whether what an agent says of the list it was sent is about what that list has of this package.

    It may name another hash: some never renew it. But before it was seen to begin, that is what became of an older one.
    """
    begun = standing.state in BUSY or standing.state is State.INSTALLED
    return standing.is_listed and (begun or not said.offered_hash)


def _has(standing: Standing, said: Said, *, concerns: bool) -> bool:
    """Say whether the agent has what is wanted; one that knows no hashes is believed its version."""
    if said.hash:
        return said.hash == standing.package_hash
    return concerns and said.status == opamp.PackageStatusEnum_Installed and said.version == standing.version
