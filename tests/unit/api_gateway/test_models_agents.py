"""What may be asked of the fleet."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.agents import AgentQuery, Assignment, OnlineQuery


@pytest.mark.parametrize(
    "change", [{"status": ["gone"]}, {"health": ["ok"]}, {"sort": "labels"}, {"search": "x" * 201}]
)
def test_filters_take_known_values_only(change: dict[str, Any]) -> None:
    """A filter that matches nothing by mistake is refused instead."""
    with pytest.raises(ValidationError):
        AgentQuery.model_validate(change)


def test_the_default_order_does_not_shift_with_heartbeats() -> None:
    """Newest agent first; the original's order changed under the reader."""
    assert AgentQuery().sort == "-created_at"


def test_connected_agents_come_in_one_large_page() -> None:
    """The original had no pages there."""
    assert OnlineQuery().limit == 1000


def test_an_assignment_names_a_configuration() -> None:
    """DELETE takes it away, not an empty name."""
    with pytest.raises(ValidationError):
        Assignment.model_validate({"configuration_name": ""})
