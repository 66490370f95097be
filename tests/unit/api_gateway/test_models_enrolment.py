"""What an enrolment token may look like."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.enrolment import NewEnrolmentToken


@pytest.mark.parametrize(
    "data", [{}, {"name": ""}, {"name": "x", "lifetime_seconds": -1}, {"name": "x", "secret": "y"}]
)
def test_impossible_tokens_are_refused(data: dict[str, Any]) -> None:
    """A name, a life that is not negative, and no secret of one's own."""
    with pytest.raises(ValidationError):
        NewEnrolmentToken.model_validate(data)


def test_a_token_lives_until_revoked_unless_said_otherwise() -> None:
    """0 = no end."""
    assert NewEnrolmentToken(name="edge").lifetime_seconds == 0
