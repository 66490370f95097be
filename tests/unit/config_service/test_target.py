from __future__ import annotations

import pytest

from config_service.attempt import AttemptStatus, Cause
from config_service.target import (
    MAX_FAILED_HASHES,
    Attempt,
    Desired,
    Reported,
    State,
    Target,
    is_open,
    remembered,
    replace,
)

H1, H2 = b"1" * 32, b"2" * 32
READY = Target("default", b"a" * 16, capabilities=0x1002, connected=True, desired=Desired("c", 3, H1))


def attempt(status: AttemptStatus, error: str = "") -> Attempt:
    """Make an attempt of the desired content."""
    return Attempt(H1, "c", 3, Cause.CHANGE, status=status, error=error)


@pytest.mark.parametrize(
    ("target", "state"),
    [
        (replace(READY, desired=None), State.NONE),
        (replace(READY, capabilities=0x1000), State.NONE),
        (READY, State.PENDING),
        (replace(READY, attempt=attempt(AttemptStatus.PENDING)), State.PENDING),
        (replace(READY, attempt=attempt(AttemptStatus.OFFERED)), State.OFFERED),
        (replace(READY, attempt=attempt(AttemptStatus.APPLYING)), State.APPLYING),
        (replace(READY, attempt=attempt(AttemptStatus.TIMED_OUT)), State.TIMED_OUT),
        (replace(READY, failed_hashes=(H1,)), State.FAILED),
        (replace(READY, failed_hashes=(H2,)), State.PENDING),
        (replace(READY, reported=Reported.APPLIED, reported_hash=H1), State.APPLIED),
        (replace(READY, reported=Reported.APPLIED, reported_hash=H2), State.PENDING),
        (
            replace(READY, reported=Reported.APPLIED, reported_hash=H1, effective_hash=H1, effective_holds=False),
            State.DRIFTED,
        ),
        (
            replace(READY, reported=Reported.APPLIED, reported_hash=H1, effective_hash=H2, effective_holds=False),
            State.APPLIED,
        ),
    ],
)
def test_state_in_one_word(target: Target, state: State) -> None:
    """Each combination has one word for people."""
    assert target.state is state


def test_error_is_told_only_when_there_is_one() -> None:
    """The agent's own text where it gave one, else how to go on."""
    assert READY.error == ""
    assert replace(READY, failed_hashes=(H1,), attempt=attempt(AttemptStatus.FAILED, "no")).error == "no"
    assert "clear the failure" in replace(READY, failed_hashes=(H1,)).error


def test_registry_never_says_what_must_not_be_offered() -> None:
    """Gateways offer from it without asking."""
    assert READY.registry_hash == H1
    assert replace(READY, failed_hashes=(H1,)).registry_hash == b""
    assert replace(READY, capabilities=0).registry_hash == b""
    assert replace(READY, desired=None).registry_hash == b""


def test_delivery_is_of_one_connection() -> None:
    """What the last connection got, this one may have lost."""
    assert replace(READY, epoch=5, delivered_epoch=5).delivered
    assert not replace(READY, epoch=6, delivered_epoch=5).delivered
    assert not READY.delivered


def test_failed_hashes_stay_few_and_the_newest() -> None:
    """Bounded, without repeats."""
    failed: tuple[bytes, ...] = ()
    for number in [*range(20), 15]:
        failed = remembered(failed, bytes([number]) * 32)

    assert len(failed) == MAX_FAILED_HASHES
    assert failed[-1] == bytes([15]) * 32
    assert len(set(failed)) == len(failed)


def test_move_that_is_not_allowed_changes_nothing() -> None:
    """The very same value comes back."""
    done = attempt(AttemptStatus.SUPERSEDED)

    assert done.to(AttemptStatus.APPLIED) is done
    assert is_open(attempt(AttemptStatus.PENDING))
    assert not is_open(done)
    assert not is_open(None)
