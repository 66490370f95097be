"""Enrolment tokens: what agents show when they connect."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from api_gateway.models.document import Document, view

TEN_YEARS_SECONDS = 10 * 365 * 24 * 3600
MAX_STAMPED_LABELS = 32
MAX_CIDRS = 64
MAX_USES = 10**9

Issues = Literal["none", "bearer", "jwt"]


def _check_network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        # The library's sentence says which half is wrong: host bits set, a bad mask, no address at all.
        message = f"{error}; write a network like 10.0.0.0/8 or 2001:db8::/32"
        raise ValueError(message) from error


Network = Annotated[str, AfterValidator(_check_network), Field(min_length=1, max_length=64)]
"""A network in CIDR notation; a single address is a network of one."""

StampedKey = Annotated[str, Field(min_length=1, max_length=256)]
StampedText = Annotated[str, Field(max_length=1024)]


class NewEnrolmentToken(Document):
    """A new enrolment token, and what it does with the agents that show it."""

    server_owned = frozenset(("id", "created_at", "created_by", "revoked_at", "uses", "expires_at"))

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """For people."""

    lifetime_seconds: Annotated[int, Field(ge=0, le=TEN_YEARS_SECONDS)] = 0
    """0 = until revoked."""

    max_uses: Annotated[int, Field(ge=0, le=MAX_USES)] = 0
    """Agents it may enrol; 0 = any number. An agent that comes again does not count twice."""

    cidrs: Annotated[tuple[Network, ...], Field(max_length=MAX_CIDRS)] = ()
    """Networks agents may come from; empty = from anywhere."""

    labels: Annotated[dict[StampedKey, StampedText], Field(max_length=MAX_STAMPED_LABELS)] = Field(default_factory=dict)
    """Stamped on every agent it enrols, stronger than what the agent says of itself."""

    group: Annotated[str, Field(max_length=200)] = ""
    """Stamped as the label `group`; empty = none."""

    requires_approval: bool = False
    """Agents wait as pending until somebody approves them: they are shown, and nothing is sent to them."""

    ephemeral_seconds: Annotated[int, Field(ge=0, le=TEN_YEARS_SECONDS)] = 0
    """Agents are forgotten after this long offline; 0 = never."""

    issues: Issues = "none"
    """Own credential an agent is given on first use."""

    credential_lifetime_seconds: Annotated[int, Field(ge=0, le=TEN_YEARS_SECONDS)] = 0
    """How long an issued credential is valid, renewed by itself before its end; 0 = the platform's default."""


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
    uses: int
    """Agents it has enrolled."""

    max_uses: int
    """0 = any number"""

    cidrs: list[str]
    labels: dict[str, str]
    group: str
    requires_approval: bool
    ephemeral_seconds: int
    """0 = never"""

    issues: str
    """none | bearer | jwt"""

    credential_lifetime_seconds: int
    """0 = the platform's default"""


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
