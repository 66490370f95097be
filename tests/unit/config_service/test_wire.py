from __future__ import annotations

from datetime import UTC, datetime

import pytest

from config_service import wire
from config_service.attempt import AttemptStatus, Cause
from config_service.document import Component, Document, Draft, Platform
from config_service.errors import InvalidConfiguration
from config_service.selector import Candidate, Reason
from config_service.target import Attempt, Desired, Target
from fleet.api.v1 import config_service_pb2 as api

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_absent_and_empty_are_different() -> None:
    """Absent fields of an edit stay absent; present and empty ones empty the field."""
    assert wire.draft_of(api.ConfigurationDraft()) == Draft()
    assert wire.draft_of(api.ConfigurationDraft(description="", selector=api.Selector())) == Draft(
        description="", selector={}
    )


def test_platform_goes_both_ways() -> None:
    """Parameters are JSON objects on the wire."""
    platform = api.Platform(processors=[api.Component(name="a", type="b", parameters_json='{"x":[1]}')])
    draft = wire.draft_of(api.ConfigurationDraft(platform=platform))

    assert draft.platform == Platform(processors=(Component("a", "b", {"x": [1]}),))
    message = wire.configuration_message("default", "n", Draft(platform=draft.platform).applied_to(Document()))
    assert message.platform == platform


@pytest.mark.parametrize("text", ["[1]", "1", "{", "[" * 100_000])
def test_parameters_must_be_an_object(text: str) -> None:
    """Anything else is told with its place."""
    platform = api.Platform(sources=[api.Component(name="a", parameters_json=text)])

    with pytest.raises(InvalidConfiguration) as refused:
        wire.draft_of(api.ConfigurationDraft(platform=platform))

    assert refused.value.details[0].field == "platform.sources[0].parameters"


def test_version_without_times_has_none() -> None:
    """A dry run has no moment of creation."""
    message = wire.configuration_message("default", "n", Document(raw_config="a: 1"), created_at=NOON)

    assert message.created_at.ToDatetime(tzinfo=UTC) == NOON
    assert not message.HasField("last_applied_at")
    assert message.config_hash == Document(raw_config="a: 1").config_hash


def test_attempt_row() -> None:
    """Every column arrives."""
    attempt = Attempt(
        b"h" * 32, "n", 4, Cause.PUSH, "eve", AttemptStatus.APPLIED, "", NOON, NOON, confirmed=True, id=9, number=2
    )

    message = wire.attempt_message(b"u" * 16, attempt, NOON, NOON)

    assert (message.id, message.attempt, message.status, message.cause) == (9, 2, "applied", "push")
    assert (message.requested_by, message.confirmed, message.version) == ("eve", True, 4)
    assert message.offered_at.ToDatetime(tzinfo=UTC) == NOON


def test_agent_that_should_run_nothing() -> None:
    """Empty means nothing matches."""
    message = wire.agent_message(Target("default", b"u" * 16), [])

    assert (message.configuration_name, message.state, message.reason) == ("", "none", "none")


def test_agent_with_candidates() -> None:
    """What it should run, why, and what else would match."""
    target = Target("default", b"u" * 16, desired=Desired("a", 2, b"h" * 32), reason=Reason.SELECTOR, assigned_name="z")

    message = wire.agent_message(target, [Candidate("a", 2, b"h" * 32, {}, 1), Candidate("b", 1, b"i" * 32, {}, 0)])

    assert (message.configuration_name, message.version, message.assigned_name) == ("a", 2, "z")
    assert list(message.candidates) == ["a", "b"]
