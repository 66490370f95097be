"""Entity tags and If-Match."""

from __future__ import annotations

import pytest

from api_gateway.etag import IfMatch, format_etag, parse_if_match


@pytest.mark.parametrize("header", [None, "*", " * "])
def test_no_header_and_a_star_accept_any_version(header: str | None) -> None:
    """Plain curl examples without If-Match keep working."""
    assert parse_if_match(header) == IfMatch(any_version=True)


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ('"3"', {3}),
        ("3", {3}),
        ('"1", "2"', {1, 2}),
        ('W/"3"', set()),
        ('"abc"', set()),
        ('"', set()),
        ('"٣"', set()),
        ("", set()),
        ('"99999999999999999999999"', set()),
    ],
)
def test_only_strong_tags_of_ours_name_versions(header: str, versions: set[int]) -> None:
    """Weak and foreign tags match nothing, so the request is refused instead of let through."""
    assert parse_if_match(header) == IfMatch(any_version=False, versions=frozenset(versions))


def test_a_written_tag_reads_back() -> None:
    """What ETag says, If-Match understands."""
    assert parse_if_match(format_etag(42)).versions == {42}
