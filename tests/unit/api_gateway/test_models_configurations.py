"""What configurations may look like."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.configurations import ConfigurationChange, NewConfiguration, PushTargets


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 254},
        {"content_type": "xml"},
        {"selector": {"a": 1}},
        {"selector": {str(number): "" for number in range(65)}},
        {"priority": 2**31},
        {"priority": "high"},
        {"platform": {"sinks": []}},
        {"platform": {"sources": [{"type": "x"}]}},
        {"comment": "x" * 2001},
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, Any]) -> None:
    """Each bound of the document."""
    with pytest.raises(ValidationError):
        NewConfiguration.model_validate({"name": "edge", **change})


def test_the_path_names_a_configuration_that_is_changed() -> None:
    """A name in the body of PUT is ignored; in POST it is needed."""
    assert ConfigurationChange.model_validate({"name": "other"}).model_fields_set == set()
    with pytest.raises(ValidationError):
        NewConfiguration.model_validate({})


def test_a_reason_has_two_names() -> None:
    """comment, and change_description as history calls it."""
    assert ConfigurationChange.model_validate({"comment": "why"}).comment == "why"
    assert ConfigurationChange.model_validate({"change_description": "why"}).comment == "why"


def test_a_push_names_so_many_agents_at_most() -> None:
    """Ten thousand, each of bounded length."""
    with pytest.raises(ValidationError):
        PushTargets.model_validate({"agent_ids": [""] * 10_001})
    with pytest.raises(ValidationError):
        PushTargets.model_validate({"agent_ids": ["x" * 65]})
