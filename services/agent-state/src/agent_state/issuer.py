"""
Secrets of agents' own credentials, derived from one key and never stored. Pure, but for the roll of an id.

The same credential always has the same text: an agent that lost what it was given (a supervisor that starts with
the token of its file) is offered the same again. With another key the texts are others: stored hashes tell.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent_state.credential import BEARER, JWT
from agent_state.verdicts import OWN
from contracts.ids import format_uid
from contracts.tokens import CREDENTIAL, sealed

if TYPE_CHECKING:
    from agent_state.credential import Credential

ISSUER: Final = "opamp-platform"
ID_BYTES: Final = 8
KEY_BYTES: Final = 32

_JWT_PURPOSE = b"agent jwt signing key 1"


class Issuer:
    """
    Derives texts.

    Args:
        key: At least KEY_BYTES bytes, the same in every replica; guard it like a password of every agent.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            message = f"the credential key must have at least {KEY_BYTES} bytes"
            raise ValueError(message)
        self._key = key
        self._signing = Ed25519PrivateKey.from_private_bytes(hmac.digest(key, _JWT_PURPOSE, "sha256"))

    def text(self, credential: Credential) -> str:
        """Tell what the agent shows as `Authorization: Bearer …`."""
        if credential.kind == JWT:
            return self._token(credential)
        words = f"{credential.tenant_id}|{format_uid(credential.uid)}|{credential.id}"
        secret = base64.urlsafe_b64encode(hmac.digest(self._key, words.encode(), "sha256")).rstrip(b"=").decode()
        return sealed(f"{CREDENTIAL}_{credential.id}_{secret}")

    def knows(self, credential: Credential) -> bool:
        """Say whether the text can still be told: it was derived from this key."""
        if credential.kind not in (BEARER, JWT):
            return False
        return hmac.compare_digest(hash_of(self.text(credential)), credential.proof_hash)

    def _token(self, credential: Credential) -> str:
        claims = {
            "iss": ISSUER,
            "sub": format_uid(credential.uid),
            "tid": credential.tenant_id,
            "jti": credential.id,
            "cv": credential.version,
            "iat": _seconds(credential.created_at),
            "exp": _seconds(credential.expires_at),
        }
        # Ed25519 signs without chance, so the same claims are always the same text.
        return jwt.encode(claims, self._signing, algorithm="EdDSA")


def new_id() -> str:
    """Name a new credential."""
    return OWN + secrets.token_hex(ID_BYTES)


def hash_of(text: str) -> bytes:
    """Hash a text as gateways do."""
    return hashlib.sha256(text.encode()).digest()


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
