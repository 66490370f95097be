"""
May this connection come in: what a proof shows against what is stored. Pure.

A verdict is for one proof, uid and address included, and may be remembered for as long as it says. One that binds
no agent and needs no admission says the same of every agent with that token: gateways remember it by the token alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agent_state.enrolment import (
    ADDRESS_NOT_ALLOWED,
    APPROVED,
    PENDING,
    TOKEN_EXPIRED,
    TOKEN_REVOKED,
    TOKEN_USED_UP,
    Rules,
    barred_sentence,
    is_allowed_from,
)
from contracts.ids import DEFAULT_TENANT

UNKNOWN_TOKEN = "This token lets nobody in."  # noqa: S105 - a sentence
UNKNOWN_CERTIFICATE = "This certificate is nobody's."
CERTIFICATE_NAMES_NOBODY = "This certificate names no agent: its SAN or CN must be the agent's id."
ANOTHER_AGENT = "This credential belongs to another agent."
NOTHING_SHOWN = "Neither a token nor a certificate was shown."
CREDENTIAL_REVOKED = "This credential was revoked."
CREDENTIAL_SUPERSEDED = "This credential was replaced by a newer one."
CREDENTIAL_EXPIRED = "This credential has expired."

OUTSIDE = "x"
"""First letter of ids that stand for certificates of an outside CA; such ids are in no table."""

OWN = "k"
"""First letter of ids of agents' own credentials. Ids of enrolment tokens are hexadecimal."""

_ENDED = {"revoked": CREDENTIAL_REVOKED, "superseded": CREDENTIAL_SUPERSEDED}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a connection showed."""

    token_hash: bytes = b""
    certificate_hash: bytes = b""
    certificate_uid: bytes = b""
    outside_ca: bool = False
    remote_ip: str = ""
    uid: bytes = b""

    @property
    def proof_hash(self) -> bytes:
        """What stored proofs are looked up by; a certificate that was verified counts more than a header."""
        return self.certificate_hash or self.token_hash

    @property
    def has_both(self) -> bool:
        """Whether a token was shown beside a certificate of the platform's own."""
        return bool(self.certificate_hash and self.token_hash and not self.outside_ca)

    def token_alone(self) -> Shown:
        """Leave the certificate out; whom it names is whom the token is shown for."""
        return Shown(self.token_hash, remote_ip=self.remote_ip, uid=self.claimed_uid)

    @property
    def claimed_uid(self) -> bytes:
        """Whom it claims to be: by certificate, else by header."""
        return self.certificate_uid if self.certificate_hash and self.certificate_uid else self.uid


@dataclass(frozen=True, slots=True)
class StoredToken:
    """An enrolment token and what it knows of the agent that shows it."""

    tenant_id: str
    id: str
    expires_at: datetime | None
    revoked: bool
    uses: int
    rules: Rules
    enrolled: bool = False
    """The agent is known by id and came in by this token before."""

    has_absentees: bool = False
    """Agents it enrolled are not connected: one of them may be knocking."""


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """An agent's own credential."""

    tenant_id: str
    id: str
    uid: bytes
    kind: str
    state: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored about a proof."""

    token: StoredToken | None = None
    credential: StoredCredential | None = None
    approval: str = ""
    """Of the agent the proof names; empty = nothing was ever decided about it."""

    stamped_labels: Mapping[str, str] = field(default_factory=dict)
    has_guarded: bool = False
    """
    Its tenant has agents that are not approved, or belong to another token: whoever comes next with the same token
    may claim to be one of them.
    """

    has_policies: bool = False
    """Its tenant has connection settings for agents: they go into the first answer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer; an empty refusal lets in."""

    refusal: str = ""
    tenant_id: str = ""
    credential_id: str = ""
    expires_at: datetime | None = None
    bound_uid: bytes = b""
    needs_admission: bool = False
    cache_seconds: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    approval: str = APPROVED


def judge(shown: Shown, found: Found, now: datetime, cache_seconds: int) -> Verdict:
    """Decide about one proof; *cache_seconds* is how long a lasting verdict may be remembered."""
    if shown.certificate_hash:
        return _judge_certificate(shown, found, now, cache_seconds)
    if not shown.token_hash:
        return Verdict(NOTHING_SHOWN)
    if found.token is not None:
        return _judge_token(shown, found, found.token, now, cache_seconds)
    if found.credential is not None and found.credential.kind != "certificate":
        return _judge_credential(found, found.credential, now, cache_seconds)
    return Verdict(UNKNOWN_TOKEN, cache_seconds=cache_seconds)


def _judge_token(shown: Shown, found: Found, token: StoredToken, now: datetime, cache_seconds: int) -> Verdict:
    refusal = _refusal_of(shown, found, token)
    if refusal:
        return Verdict(refusal, token.tenant_id, token.id, cache_seconds=cache_seconds)
    closed = closed_sentence(token, now)
    if closed and not (token.enrolled if shown.uid else token.has_absentees):
        return Verdict(closed, token.tenant_id, token.id)
    # For whom it did not enrol it changes with every knock whether a use is left, or who is absent from a closed one.
    remembered = 0 if closed or token.rules.max_uses else _until(token.expires_at, now, cache_seconds)
    is_known = bool(shown.uid) and token.enrolled and token.rules.needs_admission
    if is_known:
        # It lets those in whatever becomes of its uses and its time, also while agent-state is away.
        remembered = cache_seconds
    return Verdict(
        tenant_id=token.tenant_id,
        credential_id=token.id,
        expires_at=None if closed or is_known else token.expires_at,
        needs_admission=(
            bool(closed)
            or token.rules.needs_admission
            or found.has_policies
            or found.approval == PENDING
            or found.has_guarded
        ),
        cache_seconds=remembered,
        labels=token.rules.labels,
        approval=found.approval or (PENDING if token.rules.requires_approval else APPROVED),
    )


def _refusal_of(shown: Shown, found: Found, token: StoredToken) -> str:
    if token.revoked:
        return TOKEN_REVOKED
    if not is_allowed_from(token.rules.cidrs, shown.remote_ip):
        return ADDRESS_NOT_ALLOWED
    return barred_sentence(found.approval)


def closed_sentence(token: StoredToken, now: datetime) -> str:
    """Tell why a token enrols nobody any more; empty while it does."""
    if token.expires_at is not None and token.expires_at <= now:
        return TOKEN_EXPIRED
    if token.rules.max_uses and token.uses >= token.rules.max_uses:
        return TOKEN_USED_UP
    return ""


def ended_sentence(credential: StoredCredential, now: datetime) -> str:
    """Tell why a credential does not authenticate; empty while it does."""
    return ended_of(credential.state, credential.expires_at, now)


def ended_of(state: str, expires_at: datetime, now: datetime) -> str:
    """Do the same from its parts."""
    if state in _ENDED:
        return _ENDED[state]
    return CREDENTIAL_EXPIRED if expires_at <= now else ""


def _judge_credential(found: Found, credential: StoredCredential, now: datetime, cache_seconds: int) -> Verdict:
    refusal = ended_sentence(credential, now) or barred_sentence(found.approval)
    if refusal:
        return Verdict(refusal, credential.tenant_id, credential.id, cache_seconds=cache_seconds)
    return Verdict(
        tenant_id=credential.tenant_id,
        credential_id=credential.id,
        expires_at=credential.expires_at,
        bound_uid=credential.uid,
        needs_admission=found.has_policies or found.approval == PENDING,
        cache_seconds=_until(credential.expires_at, now, cache_seconds),
        labels=found.stamped_labels,
        approval=found.approval or APPROVED,
    )


def _judge_certificate(shown: Shown, found: Found, now: datetime, cache_seconds: int) -> Verdict:
    if not shown.outside_ca:
        if found.credential is None or found.credential.kind != "certificate":
            return Verdict(UNKNOWN_CERTIFICATE, cache_seconds=cache_seconds)
        return _judge_credential(found, found.credential, now, cache_seconds)
    if not shown.certificate_uid:
        return Verdict(CERTIFICATE_NAMES_NOBODY, cache_seconds=cache_seconds)
    credential_id = outside_id(shown.certificate_hash)
    refusal = barred_sentence(found.approval)
    if refusal:
        return Verdict(refusal, DEFAULT_TENANT, credential_id, cache_seconds=cache_seconds)
    return Verdict(
        tenant_id=DEFAULT_TENANT,
        credential_id=credential_id,
        bound_uid=shown.certificate_uid,
        needs_admission=found.has_policies or found.approval == PENDING,
        cache_seconds=cache_seconds,
        labels=found.stamped_labels,
        approval=found.approval or APPROVED,
    )


def outside_id(certificate_hash: bytes) -> str:
    """Name a certificate of an outside CA."""
    return OUTSIDE + certificate_hash.hex()[:32]


def _until(expires_at: datetime | None, now: datetime, cache_seconds: int) -> int:
    if expires_at is None:
        return cache_seconds
    return max(0, min(cache_seconds, int((expires_at - now).total_seconds())))
