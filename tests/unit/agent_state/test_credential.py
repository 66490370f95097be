from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent_state.credential import Credential, authenticates, ended_by_use, is_due, state_at, to_offer, told_together
from world.facts import uid_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def credential(version: int, state: str = "candidate", *, age_days: int = 0) -> Credential:
    """Make a credential for thirty days."""
    made_at = NOW - timedelta(days=age_days)
    return Credential(
        "default", f"k{version}", uid_of(1), "bearer", state, b"", version, made_at, made_at + timedelta(days=30)
    )


@pytest.mark.parametrize(
    ("state", "age_days", "shown", "lets_in"),
    [
        ("candidate", 0, "candidate", True),
        ("current", 29, "current", True),
        ("current", 30, "expired", False),
        ("candidate", 31, "expired", False),
        ("superseded", 1, "superseded", False),
        ("revoked", 31, "revoked", False),
    ],
)
def test_only_the_living_let_in(state: str, age_days: int, shown: str, lets_in: bool) -> None:
    """What has run out shows as expired; what was ended keeps saying how."""
    made = credential(1, state, age_days=age_days)

    assert state_at(made, NOW) == shown
    assert authenticates(made, NOW) is lets_in


def test_use_ends_what_is_older_and_alive() -> None:
    """A newer candidate may be under way to the agent; what was ended already stays as it ended."""
    others = [credential(1, "current"), credential(2), credential(4), credential(0, "revoked")]

    ended = ended_by_use(credential(3), [*others, credential(3)])

    assert [one.id for one in ended] == ["k1", "k2"]


def test_the_newest_living_is_offered() -> None:
    """A candidate before the current one; nothing when nothing lives."""
    assert to_offer([credential(1, "current"), credential(2), credential(3, "revoked")], NOW) == credential(2)
    assert to_offer([credential(1, "superseded"), credential(2, age_days=40)], NOW) is None


def test_renewal_is_due_at_two_thirds() -> None:
    """Twenty days of thirty."""
    made = credential(1)

    assert made.renew_at == NOW + timedelta(days=20)
    assert not is_due(made, NOW + timedelta(days=19, hours=23))
    assert is_due(made, NOW + timedelta(days=20))
    assert is_due(replace(made, state="current"), NOW + timedelta(days=25))


@pytest.mark.parametrize(
    ("live", "told"),
    [
        ([], (0, 0)),
        ([("bearer", "current")], (1, 0)),
        ([("certificate", "candidate")], (0, 1)),
        ([("bearer", "current"), ("certificate", "candidate")], (1, 2)),
        ([("certificate", "candidate"), ("bearer", "candidate")], (2, 1)),
        ([("certificate", "current"), ("bearer", "candidate")], (0, 1)),
        ([("certificate", "current"), ("certificate", "candidate")], (0, 2)),
        ([("certificate", "current"), ("bearer", "current")], (2, 0)),
        ([("certificate", "current"), ("bearer", "current"), ("certificate", "candidate")], (2, 3)),
    ],
)
def test_a_certificate_stands_alone_once_it_was_used(live: list[tuple[str, str]], told: tuple[int, int]) -> None:
    """Until then what goes into a header is told beside it: (version of that, version of the certificate)."""
    made = [replace(credential(version, state), kind=kind) for version, (kind, state) in enumerate(live, 1)]

    chosen = told_together(made[::-1])

    assert tuple(0 if one is None else one.version for one in chosen) == told
