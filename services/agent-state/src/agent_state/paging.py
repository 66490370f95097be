"""
Pages: limits, offsets and cursors, and what agents may be sorted by. Pure.

A cursor names the last row seen by its sort value and id, so pages stay whole while rows come and go; it is opaque
to callers and belongs to the sort it was made for.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent_state.errors import InvalidQuery

if TYPE_CHECKING:
    from fleet.api.v1.page_pb2 import PageRequest

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000
MAX_OFFSET = 10_000_000
MAX_CURSOR_CHARACTERS = 2048
DEFAULT_SORT = "created_at"

SORT_COLUMNS = {
    "name": "a.name",
    "hostname": "a.hostname",
    "version": "a.version",
    "status": "a.status",
    "last_seen_at": "p.last_seen_at",
    "last_connected_at": "a.last_connected_at",
    "last_disconnected_at": "coalesce(a.last_disconnected_at, 'epoch')",
    "created_at": "a.created_at",
    "updated_at": "a.updated_at",
}
"""What callers may sort by, and the expression behind it."""


SortValue = str | datetime


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page: its sort value and its id as hex or number text."""

    value: SortValue
    row_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page request that makes sense."""

    limit: int
    offset: int
    after: Position | None


def read_page(request: PageRequest, sort: str) -> Page:
    """
    Understand a page request.

    Args:
        request: As the caller sent it.

        sort: What the list is sorted by, with its direction; a cursor of another sort is refused.

    Raises:
        InvalidQuery: Limit over MAX_LIMIT, an offset beside a cursor, or a cursor that is none of ours.
    """
    if request.limit > MAX_LIMIT:
        raise InvalidQuery("limit", f"must be between 1 and {MAX_LIMIT}")
    if request.offset > MAX_OFFSET:
        raise InvalidQuery("offset", f"must be at most {MAX_OFFSET}; use a cursor to go further")
    if request.cursor and request.offset:
        raise InvalidQuery("offset", "cannot be combined with a cursor")
    after = decode_cursor(request.cursor, sort) if request.cursor else None
    return Page(request.limit or DEFAULT_LIMIT, request.offset, after)


def sort_column(sort: str) -> str:
    """
    Tell the SQL expression for a sort name.

    Raises:
        InvalidQuery: Not one of SORT_COLUMNS.
    """
    try:
        return SORT_COLUMNS[sort or DEFAULT_SORT]
    except KeyError:
        raise InvalidQuery("sort", f"must be one of {', '.join(SORT_COLUMNS)}") from None


def is_time(sort: str) -> bool:
    """Say whether a sort value is a time."""
    return (sort or DEFAULT_SORT).endswith("_at")


def encode_cursor(sort: str, position: Position) -> str:
    """Write a cursor."""
    value = position.value.isoformat() if isinstance(position.value, datetime) else position.value
    text = json.dumps([sort, value, position.row_id], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, sort: str) -> Position:
    """
    Read a cursor.

    Raises:
        InvalidQuery: It is none of ours, or was made for another sort.
    """
    fault = InvalidQuery("cursor", "is not a cursor of this list; start again without one")
    if len(cursor) > MAX_CURSOR_CHARACTERS:
        raise fault
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.urlsafe_b64decode(padded.encode()))
    except (binascii.Error, ValueError, RecursionError):
        raise fault from None
    match parts:
        case [str(made_for), str(value), str(row_id)] if made_for == sort and "\x00" not in value:
            pass
        case _:
            raise fault
    if not is_time(sort.removeprefix("-")):
        return Position(value, row_id)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise fault from None
    if moment.tzinfo is None:
        raise fault
    return Position(moment, row_id)
