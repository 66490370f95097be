"""What an enrolment token may look like."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.enrolment import MAX_CIDRS, MAX_STAMPED_LABELS, TEN_YEARS_SECONDS, NewEnrolmentToken


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": ""},
        {"name": "x", "lifetime_seconds": -1},
        {"name": "x", "secret": "y"},
        {"name": "x", "max_uses": -1},
        {"name": "x", "cidrs": ["10.0.0.1/8"]},
        {"name": "x", "cidrs": ["everywhere"]},
        {"name": "x", "cidrs": ["10.0.0.0/8"] * (MAX_CIDRS + 1)},
        {"name": "x", "labels": {str(number): "" for number in range(MAX_STAMPED_LABELS + 1)}},
        {"name": "x", "labels": {"": "y"}},
        {"name": "x", "labels": {"x": "y" * 1025}},
        {"name": "x", "group": "y" * 1025},
        {"name": "x", "issues": "certificate"},
        {"name": "x", "ephemeral_seconds": -1},
        {"name": "x", "credential_lifetime_seconds": TEN_YEARS_SECONDS + 1},
    ],
)
def test_impossible_tokens_are_refused(data: dict[str, Any]) -> None:
    """A name, bounds that are bounds, networks that are networks, and no secret of one's own."""
    with pytest.raises(ValidationError):
        NewEnrolmentToken.model_validate(data)


def test_a_token_lives_until_revoked_unless_said_otherwise() -> None:
    """0 = no end."""
    assert NewEnrolmentToken(name="edge").lifetime_seconds == 0


def test_a_single_address_is_a_network_of_one() -> None:
    """Networks are kept in the form everybody writes them."""
    token = NewEnrolmentToken.model_validate({"name": "edge", "cidrs": ["192.0.2.7", "2001:DB8::/32"]})

    assert token.cidrs == ("192.0.2.7/32", "2001:db8::/32")


def test_what_the_server_owns_is_dropped() -> None:
    """A token as it was read makes another one like it."""
    assert NewEnrolmentToken.model_validate({"name": "edge", "id": "7", "uses": 3}).name == "edge"
