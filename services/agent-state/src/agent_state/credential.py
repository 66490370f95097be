"""
The life of an agent's own credential. Pure.

    candidate ──used──▶ current ──a newer one used──▶ superseded
        │                  │
        └──────────────────┴──a person, or the agent's end──▶ revoked

A candidate authenticates beside the current one until it is used: an agent tries what it was offered and falls back
when that fails. Only use ends older credentials, so no agent is locked out by an offer that never reached it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

CANDIDATE = "candidate"
CURRENT = "current"
SUPERSEDED = "superseded"
REVOKED = "revoked"
EXPIRED = "expired"
LIVE = frozenset({CANDIDATE, CURRENT})

BEARER = "bearer"
JWT = "jwt"
CERTIFICATE = "certificate"

RENEWED_BY_OFFER = frozenset({BEARER, JWT})
"""Agents ask for new certificates themselves: only they have the key."""

RENEW_AFTER = 2 / 3
"""Part of its life after which a credential is renewed."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential of one agent, without its secret."""

    tenant_id: str
    id: str
    uid: bytes
    kind: str
    state: str
    proof_hash: bytes
    version: int
    created_at: datetime
    expires_at: datetime
    first_used_at: datetime | None = None
    ended_at: datetime | None = None
    revoked_by: str = ""
    enrolment_token_id: str = ""
    certificate_pem: bytes | None = None

    @property
    def lifetime(self) -> timedelta:
        """How long it was made to last."""
        return self.expires_at - self.created_at

    @property
    def renew_at(self) -> datetime:
        """When two thirds of its life are over."""
        return self.created_at + self.lifetime * RENEW_AFTER


def state_at(credential: Credential, now: datetime) -> str:
    """Tell the state as people see it: what has run out is expired."""
    if credential.state in LIVE and credential.expires_at <= now:
        return EXPIRED
    return credential.state


def authenticates(credential: Credential, now: datetime) -> bool:
    """Say whether it lets its agent in."""
    return state_at(credential, now) in LIVE


def is_due(credential: Credential, now: datetime) -> bool:
    """Say whether two thirds of its life are over."""
    return now >= credential.renew_at


def ended_by_use(used: Credential, others: Iterable[Credential]) -> list[Credential]:
    """
    List which live credentials end because *used* was used: those made before it.

    Newer candidates stay: the agent may be about to try them.
    """
    return [
        other
        for other in others
        if other.id != used.id and other.state in LIVE and (other.version, other.id) < (used.version, used.id)
    ]


def to_offer(credentials: Sequence[Credential], now: datetime) -> Credential | None:
    """
    Choose what an agent is offered: its newest live credential, a candidate before the current one.

    None: it has none that lets it in.
    """
    live = [credential for credential in credentials if authenticates(credential, now)]
    return max(live, key=lambda credential: credential.version, default=None)


def told_together(live: Sequence[Credential]) -> tuple[Credential | None, Credential | None]:
    """
    Choose what an agent is told to show: in a header, and as a certificate; None each where there is none.

    A certificate it has used stands alone. One it was given and has not used yet may never work for it, so the other
    kind is told, and renewed, beside it.

    Args:
        live: What lets it in, newest first.
    """
    header = next((each for each in live if each.kind in RENEWED_BY_OFFER), None)
    certificate = next((each for each in live if each.kind == CERTIFICATE), None)
    used = next((each for each in live if each.kind == CERTIFICATE and each.state == CURRENT), None)
    if used is None or header is None:
        return header, certificate
    if header.state == CURRENT and header.version > used.version:
        return header, None if certificate is used else certificate
    return None, certificate
