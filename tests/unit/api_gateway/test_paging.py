"""Pages and how the next one is pointed at."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api_gateway.models.paging import PageQuery
from api_gateway.paging import next_link, slices


def test_next_link_keeps_filters_and_replaces_the_place() -> None:
    """Following Link repeats the question, one page further."""
    link = next_link("/api/v1/agents", [("status", "online"), ("offset", "20"), ("label.a/b", "x y")], "c=1")

    assert link == '</api/v1/agents?status=online&label.a%2Fb=x+y&cursor=c%3D1>; rel="next"'


@pytest.mark.parametrize(("limit", "expected"), [(1, [1]), (200, [200]), (201, [200, 1]), (1000, [200] * 5)])
def test_slices_add_up_to_the_limit(limit: int, expected: list[int]) -> None:
    """A large page is asked for in pieces that fit the bus."""
    assert slices(limit, 200) == expected


@pytest.mark.parametrize("values", [{"limit": 0}, {"limit": 1001}, {"offset": -1}, {"cursor": "c", "offset": 1}])
def test_impossible_pages_are_refused(values: dict[str, object]) -> None:
    """Negative, too large, or two ways at once."""
    with pytest.raises(ValidationError):
        PageQuery.model_validate(values)
