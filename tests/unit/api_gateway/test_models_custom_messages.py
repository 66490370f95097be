"""What a custom message may look like."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.custom_messages import MAX_DATA_BYTES, NewCustomMessage


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"capability": ""},
        {"capability": "two words"},
        {"capability": "c", "data": "not base64!"},
        {"capability": "c", "data": "aGk=", "text": "hi"},
        {"capability": "c", "text": "x" * (MAX_DATA_BYTES + 1)},
        {"capability": "c", "text": "ü" * (MAX_DATA_BYTES // 2 + 1)},
        {"capability": "c", "data": base64.b64encode(bytes(MAX_DATA_BYTES + 1)).decode()},
        {"capability": "c", "timeout_seconds": 31},
        {"capability": "c", "timeout_seconds": 0},
        {"capability": "c", "type": "x" * 257},
    ],
)
def test_impossible_messages_are_refused(data: dict[str, Any]) -> None:
    """A capability, one content within bounds, a wait within bounds."""
    with pytest.raises(ValidationError):
        NewCustomMessage.model_validate(data)


def test_content_is_text_or_base64_or_nothing() -> None:
    """Whichever suits."""
    assert NewCustomMessage.model_validate({"capability": "c", "text": "hü"}).content == "hü".encode()
    assert NewCustomMessage.model_validate({"capability": "c", "data": "AAE="}).content == b"\x00\x01"
    assert NewCustomMessage.model_validate({"capability": "c"}).content == b""
