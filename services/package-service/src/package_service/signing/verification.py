"""Whether a signature is what it claims to be, by the library `cryptography`. Pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.package_signing import SIGNATURE_BYTES, statement_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.package_signing import Verify


def is_key(public_key: bytes) -> bool:
    """Say whether bytes can be a public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError:
        return False
    return True


def verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether a signature over a message is of a key."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signer_of(signature: bytes, sha256: bytes, keys: Mapping[str, bytes]) -> str | None:
    """Find which of these keys, by id, has signed a file; None = none of them."""
    message = statement_of(sha256)
    return next((key_id for key_id, public_key in keys.items() if verifies(public_key, signature, message)), None)


def checks_of(keys: Mapping[str, bytes]) -> dict[str, Verify]:
    """Make of public keys what contracts.package_signing wants for its envelopes."""
    return {key_id: partial(verifies, public_key) for key_id, public_key in keys.items()}
