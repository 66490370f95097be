"""What handlers may use."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from api_gateway.parts import Parts, Throttles


def test_handlers_get_parts_and_no_settings() -> None:
    """Whoever needs a setting gets that value, not the lot with its secrets."""
    assert not {field.name for field in fields(Parts)} & {"settings", "pool", "bus", "keys"}


def test_parts_cannot_be_swapped_at_run_time() -> None:
    """Built once, in app.py."""
    nothing: Any = None
    throttles = Throttles(*[nothing] * 5)

    with pytest.raises(FrozenInstanceError):
        throttles.read = nothing  # type: ignore[misc] # that is the point
