"""Who agents are: approval, credentials, the certificate authority; and what one is told now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api_gateway.models.configurations import MAX_COMMENT_LENGTH
from api_gateway.models.document import Document, view


class Decision(Document):
    """Why an agent is approved, rejected or revoked."""

    comment: Annotated[str, Field(max_length=MAX_COMMENT_LENGTH)] = ""
    """For people; kept with the decision."""


@view
class AgentCredential(TypedDict):
    """One credential of one agent; its secret is known to the agent alone."""

    id: str
    agent_id: str
    kind: str
    """bearer | jwt | certificate"""

    state: str
    """candidate (offered, not used yet) | current | superseded | revoked | expired"""

    created_at: datetime | None
    expires_at: datetime | None
    """null = never"""

    first_used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str
    enrolment_token_id: str
    """The enrolment token that began it; empty when none did."""

    fingerprint: str
    """SHA-256 of a certificate, hex; empty otherwise."""


@view
class AgentCredentialPage(TypedDict):
    """A page of credentials, newest first, those that are no longer good included."""

    credentials: list[AgentCredential]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class RevokedCredentials(TypedDict):
    """What is no longer good."""

    revoked: list[AgentCredential]


@view
class CertificateAuthority(TypedDict):
    """The certificates the platform signs agents' certificates with."""

    certificates_pem: str
    """PEM, newest first; empty while the platform issues no certificates."""


@view
class Told(TypedDict):
    """Where an agent was told something."""

    gateway_id: str
    at_once: bool
    """true: an open WebSocket took it; false: it waits for the agent's next poll."""
