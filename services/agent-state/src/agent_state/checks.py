"""What every question is checked for: tenants, ids, texts, and whether another page follows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_state.errors import InvalidQuery
from contracts.ids import UID_LENGTH, is_tenant_id

if TYPE_CHECKING:
    from agent_state.paging import Position


def tenant_of(tenant_id: str) -> str:
    """
    Return what may stand as a tenant id.

    Raises:
        InvalidQuery: It may not.
    """
    if not is_tenant_id(tenant_id):
        raise InvalidQuery("tenant_id", "is not a tenant id")
    return tenant_id


def uid_of(uid: bytes) -> bytes:
    """
    Return what may be an agent's id.

    Raises:
        InvalidQuery: It is not 16 bytes.
    """
    if len(uid) != UID_LENGTH:
        raise InvalidQuery("instance_uid", f"must be {UID_LENGTH} bytes")
    return uid


def text_of(field: str, text: str, limit: int) -> str:
    """
    Return text that can be stored.

    Raises:
        InvalidQuery: It is too long, or PostgreSQL would not take it.
    """
    if len(text) > limit:
        raise InvalidQuery(field, f"must be at most {limit} characters")
    if "\x00" in text:
        raise InvalidQuery(field, "must not contain NUL")
    return text


def may_follow(offset: int, rows: int, total: int, after: Position | None) -> bool:
    """Say whether another page may follow; with a cursor only an incomplete page proves the end."""
    return after is not None or offset + rows < total
