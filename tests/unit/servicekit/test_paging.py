from __future__ import annotations

import pytest

from fleet.api.v1 import page_pb2
from servicekit.errors import Invalid
from servicekit.paging import Page, cut, page_of


def test_default_page() -> None:
    """Nothing asked: twenty from the start."""
    page = page_of(page_pb2.PageRequest(), "list")

    assert (page.limit, page.offset, page.after) == (20, 0, ())


def test_cursor_leads_to_the_next_page() -> None:
    """The key of the last row shown comes back."""
    page = page_of(page_pb2.PageRequest(limit=2), "list", "x")

    shown, cursor = cut(["a", "b", "c"], page, lambda row: (row, "tie"))
    following = page_of(page_pb2.PageRequest(limit=2, cursor=cursor), "list", "x")

    assert list(shown) == ["a", "b"]
    assert following.after == ("b", "tie")


def test_last_page_has_no_cursor() -> None:
    """The end is said, not guessed."""
    assert cut(["a"], Page(limit=1), lambda row: (row,)) == (["a"], "")


@pytest.mark.parametrize(
    "request_",
    [
        page_pb2.PageRequest(limit=1001),
        page_pb2.PageRequest(offset=10**7),
        page_pb2.PageRequest(cursor="%%%"),
        page_pb2.PageRequest(cursor="WyJhIl0"),
        page_pb2.PageRequest(cursor="eyJhIjoxfQ"),
        page_pb2.PageRequest(cursor="MQ"),
    ],
)
def test_what_is_out_of_bounds_is_refused(request_: page_pb2.PageRequest) -> None:
    """Limits, and text that is no cursor."""
    with pytest.raises(Invalid):
        page_of(request_, "list")


def test_cursor_of_another_list_is_refused() -> None:
    """Other rows, other order: the place means nothing there."""
    _, cursor = cut(["a", "b"], page_of(page_pb2.PageRequest(limit=1), "list", "x"), lambda row: (row,))

    with pytest.raises(Invalid, match="another list"):
        page_of(page_pb2.PageRequest(cursor=cursor), "list", "y")
    with pytest.raises(Invalid, match="combined"):
        page_of(page_pb2.PageRequest(cursor=cursor, offset=1), "list", "x")
