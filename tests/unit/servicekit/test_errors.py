from __future__ import annotations

import pytest

from servicekit.errors import Kind, NotFound, ServiceError, class_of


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_its_class(kind: Kind) -> None:
    """Any kind that arrives on the bus can be raised again."""
    assert class_of(kind).kind is kind


def test_the_code_of_the_other_side_wins() -> None:
    """An error raised again here keeps the code it had where it arose."""
    error = NotFound("no such agent")
    assert error.stable_code == "not_found"
    error.remote_code = "agent_not_found"
    assert error.stable_code == "agent_not_found"


def test_the_sentence_is_the_text() -> None:
    """Printing an error shows its public sentence."""
    assert str(ServiceError("all is lost")) == "all is lost"
