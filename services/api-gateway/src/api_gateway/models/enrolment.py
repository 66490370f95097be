"""Enrolment tokens: what agents show when they connect."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api_gateway.models.document import Document, view


class NewEnrolmentToken(Document):
    """A new enrolment token."""

    server_owned = frozenset(("id", "created_at", "created_by", "revoked_at"))

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """For people."""

    lifetime_seconds: Annotated[int, Field(ge=0, le=10 * 365 * 24 * 3600)] = 0
    """0 = until revoked."""


@view
class EnrolmentToken(TypedDict):
    """An enrolment token without its secret."""

    id: str
    name: str
    created_by: str
    created_at: datetime | None
    expires_at: datetime | None
    """null = never"""

    revoked_at: datetime | None


@view
class CreatedEnrolmentToken(EnrolmentToken):
    """A new enrolment token."""

    secret: str
    """What agents send as `Authorization: Bearer <secret>`; said once."""


@view
class EnrolmentTokenPage(TypedDict):
    """A page of enrolment tokens, newest first."""

    tokens: list[EnrolmentToken]
    total: int
    limit: int
    offset: int
    next_cursor: str | None
