"""
Pages and cursors of lists that are sorted by text. Pure.

A cursor is opaque text that holds the sort key of the last row seen and a digest of the query it belongs
to, so that one list's cursor cannot be used on another.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from servicekit.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000
MAX_OFFSET = 1_000_000


class PageRequest(Protocol):
    """What is asked for: fleet.api.v1.PageRequest, or whatever has the same fields."""

    limit: int
    offset: int
    cursor: str


@dataclass(frozen=True)
class Page:
    """Which rows of a list."""

    limit: int
    offset: int = 0
    after: tuple[str, ...] = ()
    """Sort key of the last row of the page before; empty = from the start."""

    query: str = ""
    """Digest of what is listed and how."""


def page_of(request: PageRequest, *query: object) -> Page:
    """
    Read a page request.

    Args:
        request: As sent.

        query: Everything that decides which rows come in which order.

    Raises:
        Invalid: A bound is crossed, or the cursor is not one of this query.
    """
    limit = request.limit or DEFAULT_LIMIT
    digest = hashlib.sha256(repr(query).encode()).hexdigest()[:12]
    if limit > MAX_LIMIT:
        raise _invalid("limit", f"must be between 1 and {MAX_LIMIT}")
    if request.offset > MAX_OFFSET:
        raise _invalid("offset", f"must be at most {MAX_OFFSET}; use a cursor")
    if request.cursor and request.offset:
        raise _invalid("offset", "cannot be combined with a cursor")
    after = _decoded(request.cursor, digest) if request.cursor else ()
    return Page(limit, request.offset, after, digest)


def cut(rows: Sequence[T], page: Page, key: Callable[[T], tuple[str, ...]]) -> tuple[Sequence[T], str]:
    """Return the rows of the page and the cursor of the next; rows may hold one more than the page."""
    if len(rows) <= page.limit:
        return rows, ""
    kept = rows[: page.limit]
    text = json.dumps([page.query, *key(kept[-1])], separators=(",", ":"))
    return kept, base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str, digest: str) -> tuple[str, ...]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        query, *after = json.loads(raw)
    except (ValueError, TypeError):
        raise _invalid("cursor", "is not a cursor") from None
    if query != digest or not after or not all(isinstance(part, str) and "\x00" not in part for part in after):
        raise _invalid("cursor", "belongs to another list; begin without one")
    return tuple(after)


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field} {message}", details=[Problem(field, message)])
