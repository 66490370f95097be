"""Between rows and messages about offers."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from fleet.api.v1 import package_offers_pb2 as api
from package_service.errors import AssignmentNotFound
from package_service.offering import wire
from package_service.offering.assignment import Assignment, Terms
from package_service.offering.attempt_store import Attempt
from package_service.offering.machine import Machine
from package_service.offering.standing import Standing, State
from package_service.offering.target import ACCEPTS_PACKAGES, Target

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TERMS = Terms("collector", "beta", "latest-1", {"env": "prod"}, ("web",), (bytes(16),), 5, enabled=False)
STANDING = Standing(
    "collector",
    UUID(int=1),
    since=NOW,
    moved_at=NOW,
    version="2.0.0",
    file_id=UUID(int=2),
    package_hash=b"w" * 32,
    state=State.FAILED,
    error="disk full",
)
TARGET = Target(
    "default",
    b"u" * 16,
    capabilities=ACCEPTS_PACKAGES,
    connected=True,
    healthy=False,
    machine=Machine("linux", "arm64"),
    desired_hash=b"d" * 32,
    reported={"collector": ("1.0.0", ""), "its-own": ("0.1.0", "")},
    packages={"collector": STANDING},
)


def test_absent_fields_of_an_edit_stay() -> None:
    """Present ones replace, also by what is empty."""
    assert wire.edited(TERMS, api.PackageAssignmentDraft()) == TERMS
    draft = api.PackageAssignmentDraft(
        version="1.0.0",
        enabled=True,
        priority=0,
        selector=api.PackageSelector(),
        groups=api.PackageGroups(names=["db"]),
        agents=api.PackageAgents(),
    )
    assert wire.edited(TERMS, draft) == Terms("collector", "beta", "1.0.0", {}, ("db",), (), 0, enabled=True)


def test_assignment_is_written_whole() -> None:
    """Every field, with how its agents fare."""
    assignment = Assignment("default", UUID(int=1), "all", TERMS, 3, "ann", NOW, "bob", NOW)
    message = wire.assignment_message(assignment, {"failed": 2})

    assert (message.id, message.name, message.revision) == (str(UUID(int=1)), "all", 3)
    assert (message.package, message.channel, message.version) == ("collector", "beta", "latest-1")
    assert (dict(message.selector), list(message.groups), list(message.instance_uids)) == (
        {"env": "prod"},
        ["web"],
        [bytes(16)],
    )
    assert (message.priority, message.enabled, dict(message.states)) == (5, False, {"failed": 2})
    assert message.updated_at.ToDatetime(UTC) == NOW


def test_agent_is_written_with_what_it_has_on_its_own() -> None:
    """By name; a package nobody assigned is local."""
    message = wire.agent_message(TARGET, {UUID(int=1): "all"})
    ours, own = message.packages

    assert (ours.package, ours.assignment_name, ours.state, ours.error_message) == (
        "collector",
        "all",
        "failed",
        "disk full",
    )
    assert (ours.reported_version, ours.version, ours.given_up, ours.healthy) == ("1.0.0", "2.0.0", True, False)
    assert (own.package, own.state, own.reported_version, own.assignment_id) == ("its-own", "local", "0.1.0", "")
    assert (message.accepts, message.platform, message.arch) == (True, "linux", "arm64")
    assert message.desired_hash == b"d" * 32


def test_attempt_is_written_whole() -> None:
    """Which try of what it was, how it went, and who asked."""
    attempt = Attempt(4, b"u" * 16, "collector", "2.0.0", b"w" * 32, UUID(int=1), 2, "failed", "no", "eve", NOW, NOW)
    message = wire.attempt_message(attempt)

    assert (message.id, message.attempt, message.state, message.requested_by) == (4, 2, "failed", "eve")
    assert message.created_at.ToDatetime(UTC) == NOW


def test_what_cannot_be_an_id_names_nothing() -> None:
    """No other error than for one that is not there."""
    assert wire.assignment_id_of(str(UUID(int=1))) == UUID(int=1)
    with pytest.raises(AssignmentNotFound):
        wire.assignment_id_of("../../etc")
