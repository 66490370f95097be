"""What a connection shows at the door, and whom that lets in. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contracts.ids import DEFAULT_TENANT
from contracts.tokens import is_mistyped

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = ("bearer", "secret-key")

APPROVED = "approved"
PENDING = "pending"
BARRED = frozenset({"rejected", "revoked"})
"""States of approval in which an agent is not let in."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client certificate whose chain and validity were checked."""

    sha256: bytes
    uid: bytes = b""
    """The agent it names; empty = none."""

    outside_ca: bool = False
    """Issued by the operator's own authority, not by the platform's."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What one request shows of itself; the text of a token is never kept."""

    token_hash: bytes = b""
    certificate_sha256: bytes = b""
    certificate_uid: bytes = b""
    outside_ca: bool = False
    remote_ip: str = ""
    instance_uid: bytes = b""

    mistyped: bool = False
    """All it shows is a token of the platform's form whose checksum does not fit: nobody need be asked."""

    @property
    def secret(self) -> bytes:
        """What is the same whoever shows it from wherever; empty = nothing is shown."""
        return self.certificate_sha256 + self.token_hash

    def naming(self, uid: bytes) -> Proof:
        """Make the same proof for the agent that is known to be there by now."""
        return self if uid == self.instance_uid else replace(self, instance_uid=uid)


@dataclass(frozen=True, slots=True)
class Credential:
    """Who is let in by what was shown."""

    tenant_id: str
    credential_id: str
    expires_at: float = 0.0
    """Unix seconds; 0 = never."""

    bound_uid: bytes = b""
    """The only agent it lets in; empty = any."""

    needs_admission: bool = False
    """agent-state decides on the first message, too."""

    labels: tuple[tuple[str, str], ...] = ()
    """Stamped on the agent."""

    approval: str = APPROVED

    @property
    def is_general(self) -> bool:
        """Whether it says the same of every agent that shows it, from wherever."""
        return not self.bound_uid and not self.needs_admission


OPEN = Credential(DEFAULT_TENANT, "")
"""Everybody, where the gateway runs open."""


def proof_of(
    headers: Mapping[str, str], remote_ip: str, certificate: ClientCertificate | None = None, uid: bytes = b""
) -> Proof:
    """
    Gather what a request shows.

    A certificate of an outside authority that comes with a token only secures the transport: the token decides. One of
    the platform's goes on with the token beside it: agent-state judges both.

    Args:
        headers: Names in lower case.

        remote_ip: Address of the peer.

        certificate: Checked; None = it showed none.

        uid: The agent the request names; empty = none.
    """
    token = token_of(headers)
    token_hash = hashlib.sha256(token.encode()).digest() if token else b""
    if certificate is None or (token and certificate.outside_ca):
        return Proof(token_hash=token_hash, remote_ip=remote_ip, instance_uid=uid, mistyped=is_mistyped(token))
    return Proof(
        token_hash=token_hash,
        certificate_sha256=certificate.sha256,
        certificate_uid=certificate.uid,
        outside_ca=certificate.outside_ca,
        remote_ip=remote_ip,
        instance_uid=uid,
    )


def token_of(headers: Mapping[str, str]) -> str:
    """
    Find the token in a request's headers; empty = there is none.

    Taken are `Authorization: Bearer …`, `Authorization: Secret-Key …`, `Authorization: Basic …` with the token
    as password, and the header `Secret-Key: …`.

    Args:
        headers: Names in lower case.
    """
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    token = ""
    if scheme.lower() in _SCHEMES:
        token = rest.strip()
    elif scheme.lower() == "basic":
        token = _password(rest.strip())
    return token or headers.get("secret-key", "").strip()


def _password(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
