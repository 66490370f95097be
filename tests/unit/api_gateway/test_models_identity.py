"""What may be said with a decision about an agent."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api_gateway.models.identity import Decision


def test_a_comment_may_be_left_out_and_is_bounded() -> None:
    """For people, and short enough to be read."""
    assert Decision().comment == ""
    with pytest.raises(ValidationError):
        Decision(comment="x" * 1025)
