"""Request documents: strict about the unknown, deaf to what only the server sets."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.document import Document


class Note(Document):
    """A document."""

    server_owned = frozenset(("version",))

    text: str = ""


def test_what_only_the_server_sets_is_dropped() -> None:
    """Whatever its type."""
    for value in (1, None, {"a": 1}):
        assert Note.model_validate({"text": "x", "version": value}).model_fields_set == {"text"}


@pytest.mark.parametrize("data", [{"txet": "x"}, {"__class__": "x"}, [], None, "version"])
def test_what_is_unknown_is_refused(data: Any) -> None:
    """A typing error never passes for a wish."""
    with pytest.raises(ValidationError):
        Note.model_validate(data)


def test_a_document_does_not_change_once_read() -> None:
    """Handlers cannot edit what was checked."""
    with pytest.raises(ValidationError):
        Note(text="a").text = "b"  # type: ignore[misc] # that is the point
