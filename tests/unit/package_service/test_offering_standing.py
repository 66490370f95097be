"""What an agent made of a package: its word, read fact by fact."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from opamp.v1 import opamp_pb2 as opamp
from package_service.offering import standing as standings
from package_service.offering.standing import MAX_FAILED_HASHES, NEW, Said, Standing, State

THEN = datetime(2026, 11, 20, tzinfo=UTC)
NOW = THEN + timedelta(minutes=1)
WANTED, OTHER, CONTENT = b"w" * 32, b"o" * 32, b"c" * 32
INSTALLED = int(opamp.PackageStatusEnum_Installed)
PENDING = int(opamp.PackageStatusEnum_InstallPending)
INSTALLING = int(opamp.PackageStatusEnum_Installing)
FAILED = int(opamp.PackageStatusEnum_InstallFailed)
DOWNLOADING = int(opamp.PackageStatusEnum_Downloading)


def standing(state: State = State.OFFERED, **fields: object) -> Standing:
    """Make one that wants version 2 and has it listed."""
    made = Standing(
        "collector",
        UUID(int=9),
        since=THEN,
        moved_at=THEN,
        version="2.0.0",
        file_id=UUID(int=2),
        package_hash=WANTED,
        content_hash=CONTENT,
        listed_file_id=UUID(int=2),
        state=state,
        attempt_id=7,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def told(before: Standing, said: Said | None, *, about: bool = True) -> Standing:
    """Take a report."""
    return standings.reported(before, said, about=about, now=NOW)


@pytest.mark.parametrize(
    ("state", "said", "wanted"),
    [
        (State.OFFERED, Said("1.0.0", OTHER, WANTED, DOWNLOADING, percent=12.5), State.DOWNLOADING),
        (State.DOWNLOADING, Said("1.0.0", OTHER, WANTED, INSTALLING), State.INSTALLING),
        (State.INSTALLING, Said("2.0.0", WANTED, WANTED, INSTALLED), State.INSTALLED),
        (State.INSTALLING, Said("1.0.0", OTHER, WANTED, FAILED, "no"), State.FAILED),
        (State.OFFERED, Said("", b"", WANTED, PENDING), State.OFFERED),
        (State.PENDING, Said("2.0.0", WANTED, b"", INSTALLED), State.INSTALLED),
        (State.TIMED_OUT, Said("2.0.0", WANTED, WANTED, INSTALLED), State.INSTALLED),
        (State.FAILED, Said("2.0.0", WANTED, WANTED, INSTALLED), State.INSTALLED),
        (State.FAILED, Said("1.0.0", OTHER, WANTED, INSTALLING), State.INSTALLING),
        (State.INSTALLING, Said("1.0.0", OTHER, WANTED, INSTALLED), State.ROLLED_BACK),
        (State.INSTALLED, Said("1.0.0", OTHER, WANTED, INSTALLED), State.ROLLED_BACK),
        (State.OFFERED, Said("1.0.0", OTHER, WANTED, INSTALLED), State.OFFERED),
        (State.PENDING, Said("1.0.0", OTHER, WANTED, FAILED, "lost delivery"), State.FAILED),
        (State.OFFERED, Said("1.0.0", OTHER, OTHER, FAILED, "the one before"), State.OFFERED),
        (State.OFFERED, Said("1.0.0", OTHER, b"", FAILED, "no hash"), State.FAILED),
        (State.INSTALLING, Said("1.0.0", OTHER, OTHER, FAILED, "never renewed"), State.FAILED),
    ],
)
def test_the_agents_word_is_taken(state: State, said: Said, wanted: State) -> None:
    """Each step, and what contradicts an earlier one; what became of an older content is not taken for this one."""
    assert told(standing(state), said).state is wanted


def test_progress_keeps_the_moment_it_began() -> None:
    """The percentage moves, and the last sign of life; the state is as old as it is."""
    first = told(standing(), Said("", b"", WANTED, DOWNLOADING, percent=10))
    second = standings.reported(
        first, Said("", b"", WANTED, DOWNLOADING, percent=250), about=True, now=NOW + timedelta(minutes=1)
    )

    assert (first.since, second.since) == (NOW, NOW)
    assert second.moved_at == NOW + timedelta(minutes=1)
    assert (first.percent, second.percent) == (10, 100)
    assert told(second, Said("", b"", WANTED, DOWNLOADING, percent=250)) is second


def test_report_about_an_older_list_changes_nothing() -> None:
    """It crossed with the offer."""
    before = standing(State.OFFERED)

    assert told(before, Said("1.0.0", OTHER, OTHER, INSTALLED), about=False) is before
    assert told(standing(State.INSTALLED), Said("1.0.0", OTHER, OTHER), about=False).state is State.PENDING


def test_agent_that_knows_no_hashes_is_believed_its_version() -> None:
    """Of the list it was sent; otherwise its version proves nothing."""
    said = Said("2.0.0", b"", b"", INSTALLED)

    assert told(standing(), said).state is State.INSTALLED
    assert told(standing(), said, about=False).state is State.OFFERED


def test_package_that_is_gone_was_rolled_back() -> None:
    """Reports are complete: what is not in them is not there, once the agent knew the list."""
    assert told(standing(State.INSTALLED), None).state is State.ROLLED_BACK
    assert told(standing(State.INSTALLED), None, about=False).state is State.INSTALLED
    assert told(standing(State.OFFERED), None).state is State.OFFERED


def test_nothing_wanted_nothing_told() -> None:
    """Without a file that fits, what the agent says is not about ours."""
    before = standing(State.PENDING, package_hash=b"", file_id=None, listed_file_id=None)

    assert told(before, Said("1.0.0", OTHER, OTHER, FAILED)) is before


def test_failures_are_remembered_within_bounds() -> None:
    """By what the file holds, not by how it was offered. The newest stay; success forgets."""
    before = standing(failed_hashes=tuple(bytes([number]) * 32 for number in range(MAX_FAILED_HASHES)))
    failed = told(before, Said("", b"", WANTED, FAILED))

    assert len(failed.failed_hashes) == MAX_FAILED_HASHES
    assert failed.failed_hashes[-1] == CONTENT
    assert failed.is_quarantined
    assert failed.error == "the agent gave no reason"
    assert CONTENT not in told(failed, Said("2.0.0", WANTED, WANTED)).failed_hashes


def test_delivery_opens_a_try() -> None:
    """Once; a delivery repeated is a sign of life, one after a time-out another try."""
    offered = standings.delivered(standing(State.PENDING, attempt_id=None), NOW)
    again = standings.delivered(offered, NOW + timedelta(minutes=1))

    assert (offered.state, offered.attempt_id) == (State.OFFERED, NEW)
    assert (again.attempt_id, again.since, again.moved_at) == (NEW, NOW, NOW + timedelta(minutes=1))
    assert standings.delivered(standing(State.TIMED_OUT), NOW).attempt_id == NEW
    assert standings.delivered(standing(State.PENDING, listed_file_id=UUID(int=1)), NOW).state is State.PENDING
    assert standings.delivered(standing(State.INSTALLED), NOW) == standing(State.INSTALLED)


@pytest.mark.parametrize("state", [State.FAILED, State.ROLLED_BACK, State.TIMED_OUT])
def test_asked_for_again_it_begins_anew(state: State) -> None:
    """Whoever asked is remembered for the ledger."""
    again = standings.retried(standing(state, failed_hashes=(OTHER, CONTENT), error="no"), "eve", NOW)

    assert (again.state, again.error, again.attempt_id, again.requested_by) == (State.PENDING, "", None, "eve")
    assert again.failed_hashes == ()
    assert again.waits


def test_failure_is_old_news_once_somebody_asked_again() -> None:
    """Until it was delivered again; who asked without a name is somebody."""
    again = standings.retried(standing(State.FAILED, failed_hashes=(CONTENT,)), "", NOW)
    failure = Said("1.0.0", OTHER, WANTED, FAILED, "no")

    assert again.requested_by == standings.SOMEBODY
    assert told(again, failure) is again
    assert told(standings.delivered(again, NOW), failure).state is State.FAILED


@pytest.mark.parametrize("state", [State.PENDING, State.DOWNLOADING, State.INSTALLED])
def test_what_goes_on_is_left_alone(state: State) -> None:
    """Another try of what was not given up would only disturb; what failed before may be offered again one day."""
    before = standing(state)

    assert standings.retried(before, "eve", NOW) is before
    assert standings.retried(replace(before, failed_hashes=(OTHER,)), "eve", NOW) == before
