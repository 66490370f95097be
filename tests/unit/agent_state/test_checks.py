from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent_state.checks import may_follow, tenant_of, text_of, uid_of
from agent_state.errors import InvalidQuery
from agent_state.paging import Position

SOMEWHERE = Position(datetime(2026, 11, 20, tzinfo=UTC), "x")


def test_sound_values_pass_through() -> None:
    """Nothing is changed on the way."""
    assert tenant_of("default") == "default"
    assert uid_of(b"u" * 16) == b"u" * 16
    assert text_of("name", "x" * 5, 5) == "x" * 5


@pytest.mark.parametrize("tenant_id", ["", "Default", "a.b", "x" * 64])
def test_what_is_no_tenant_is_refused(tenant_id: str) -> None:
    """It would garble a subject."""
    with pytest.raises(InvalidQuery, match="tenant_id"):
        tenant_of(tenant_id)


@pytest.mark.parametrize("uid", [b"", b"u" * 15, b"u" * 17])
def test_ids_are_sixteen_bytes(uid: bytes) -> None:
    """As the protocol says."""
    with pytest.raises(InvalidQuery, match="16 bytes"):
        uid_of(uid)


@pytest.mark.parametrize("text", ["123456", "a\x00b"])
def test_texts_that_cannot_be_stored_are_refused(text: str) -> None:
    """Too long, or with a character PostgreSQL does not take."""
    with pytest.raises(InvalidQuery) as caught:
        text_of("comment", text, 5)

    assert caught.value.details[0].field == "comment"


@pytest.mark.parametrize(
    ("offset", "rows", "total", "after", "follows"),
    [(0, 3, 5, None, True), (2, 3, 5, None, False), (0, 3, 3, SOMEWHERE, True), (0, 5, 5, None, False)],
)
def test_whether_another_page_may_follow(
    offset: int, rows: int, total: int, after: Position | None, follows: bool
) -> None:
    """With a cursor only an incomplete page proves the end."""
    assert may_follow(offset, rows, total, after) is follows
