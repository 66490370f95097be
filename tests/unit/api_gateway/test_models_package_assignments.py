"""What may be said about assignments; names and versions are package-service's to judge."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.package_assignments import (
    MAX_AGENTS,
    MAX_GROUPS,
    AssignedAgentQuery,
    AssignmentChange,
    NewAssignment,
    PackageAttemptQuery,
)


@pytest.mark.parametrize(
    "fault",
    [
        {"channel": "nightly"},
        {"version": "1" * 65},
        {"selector": {"": "x"}},
        {"selector": {str(number): "" for number in range(65)}},
        {"groups": ["g"] * (MAX_GROUPS + 1)},
        {"agents": ["a"] * (MAX_AGENTS + 1)},
        {"agents": ["a" * 65]},
        {"priority": 1_000_001},
        {"owner": "me"},
    ],
)
def test_changes_that_cannot_be(fault: dict[str, Any]) -> None:
    """Channels nobody has, and everything beyond its bound."""
    with pytest.raises(ValidationError):
        AssignmentChange.model_validate(fault)


def test_what_was_read_may_be_written_back() -> None:
    """What only the server sets is passed over; name and package are fixed when it is made."""
    owned = {"id": "a1", "revision": 3, "states": {}, "created_by": "jo", "name": "n", "package": "p"}

    change = AssignmentChange.model_validate({**owned, "version": "1.0.0"})

    assert change.model_dump(exclude_none=True) == {"version": "1.0.0"}


def test_new_one_needs_name_and_package() -> None:
    """Everything else has a default, or is nobody."""
    assert NewAssignment(name="n", package="p").selector is None
    with pytest.raises(ValidationError):
        NewAssignment.model_validate({"name": "n"})


def test_states_are_known() -> None:
    """A state nobody can be in finds nobody, so it is refused."""
    assert AssignedAgentQuery.model_validate({"state": ("failed", "installed")}).state == ("failed", "installed")
    with pytest.raises(ValidationError):
        AssignedAgentQuery.model_validate({"state": ("broken",)})
    with pytest.raises(ValidationError):
        PackageAttemptQuery.model_validate({"state": ("pending",)})
