from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from agent_state.errors import InvalidQuery
from agent_state.paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    SORT_COLUMNS,
    Position,
    decode_cursor,
    encode_cursor,
    is_time,
    read_page,
    sort_column,
)
from fleet.api.v1.page_pb2 import PageRequest

MOMENT = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)


def test_page_has_defaults() -> None:
    """Nothing asked means the first page of the usual size."""
    page = read_page(PageRequest(), "name")

    assert (page.limit, page.offset, page.after) == (DEFAULT_LIMIT, 0, None)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (PageRequest(limit=MAX_LIMIT + 1), "limit"),
        (PageRequest(offset=1 << 40), "offset"),
        (PageRequest(cursor="x", offset=1), "offset"),
        (PageRequest(cursor="!!!"), "cursor"),
        (PageRequest(cursor="x" * 10_000), "cursor"),
    ],
)
def test_impossible_pages_name_the_field(request_: PageRequest, field: str) -> None:
    """Each refusal says which field is wrong."""
    with pytest.raises(InvalidQuery) as caught:
        read_page(request_, "name")

    assert caught.value.details[0].field == field


@pytest.mark.parametrize("sort", ["", "-created_at", "name", "-name"])
def test_cursor_comes_back_as_it_was(sort: str) -> None:
    """Times to the microsecond, texts with any character."""
    value = MOMENT if is_time(sort.lstrip("-")) else 'ä"\\ name'
    position = Position(value, "00" * 16)

    assert decode_cursor(encode_cursor(sort, position), sort) == position


def test_cursor_belongs_to_its_sort() -> None:
    """A cursor for another order would skip rows; it is refused."""
    cursor = encode_cursor("name", Position("a", "00"))

    with pytest.raises(InvalidQuery):
        decode_cursor(cursor, "-name")


@pytest.mark.parametrize(
    "text",
    ['["created_at","no time","00"]', '["created_at","2026-01-01T00:00:00","00"]', '["created_at",1,"00"]', "[]", "{"],
)
def test_forged_cursors_are_refused(text: str) -> None:
    """What we did not write is not read."""
    cursor = base64.urlsafe_b64encode(text.encode()).decode()

    with pytest.raises(InvalidQuery):
        decode_cursor(cursor, "created_at")


def test_only_listed_columns_sort() -> None:
    """A sort is a name from a list, never SQL."""
    assert sort_column("") == SORT_COLUMNS["created_at"]
    with pytest.raises(InvalidQuery) as caught:
        sort_column("name; DROP TABLE agent")
    assert caught.value.details[0].field == "sort"
