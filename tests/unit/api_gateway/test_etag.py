"""Entity tags, If-Match and If-None-Match."""

from __future__ import annotations

import pytest

from api_gateway.etag import IfMatch, format_etag, is_held, parse_if_match


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


@pytest.mark.parametrize(
    ("header", "held"),
    [
        (None, False),
        ("", False),
        ("*", True),
        ('"3"', True),
        ('W/"3"', True),
        ('"1", W/"3"', True),
        ('"2"', False),
        ('"33"', False),
        ("3", False),
        ('"*"', False),
    ],
)
def test_a_client_that_has_it_is_recognised(header: str | None, *, held: bool) -> None:
    """Weak comparison: the same tag, however it is marked."""
    assert is_held(header, '"3"') is held
