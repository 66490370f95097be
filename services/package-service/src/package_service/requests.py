"""What every question on the bus is checked for before anybody looks at what it asks. Pure."""

from __future__ import annotations

from typing import Any

from contracts.ids import is_tenant_id
from servicekit.errors import Invalid, Problem

MAX_TEXT = 1024
_CHECKED_ELSEWHERE = frozenset(("name", "version", "description"))
"""They get their own sentence from what checks them."""


def check_request(request: Any) -> None:
    """Refuse a tenant that cannot be, and text that cannot be stored or compared; raises Invalid."""
    if not is_tenant_id(request.tenant_id):
        raise invalid("tenant_id", "must be lower-case letters, digits and hyphens")
    for field, value in request.ListFields():
        if field.type != field.TYPE_STRING or field.name in _CHECKED_ELSEWHERE:
            continue
        for text in [value] if isinstance(value, str) else value:
            if len(text) > MAX_TEXT or "\x00" in text:
                raise invalid(field.name, f"must be at most {MAX_TEXT} characters, none of them NUL")


def invalid(field: str, message: str) -> Invalid:
    """Refuse one field."""
    return Invalid(f"{field} {message}", details=[Problem(field, message)])
