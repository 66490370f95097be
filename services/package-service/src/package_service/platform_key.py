"""The key the platform itself signs with. Pure."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.package_signing import key_id_of


class SigningKeyError(ValueError):
    """The signing key cannot be used; says why, and nothing of the key."""


class PlatformKey:
    """
    An Ed25519 key with its private half.

    Args:
        private: The key.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """Sign; the same message gives the same 64 bytes."""
        return self._private.sign(message)


def platform_key_of(pem: str) -> PlatformKey | None:
    """
    Read the key from PEM text, PKCS #8 without password; None when there is none.

    Raises:
        SigningKeyError: It is something else.
    """
    if not pem.strip():
        return None
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause: that may quote what was read.
        message = "must be a private key in PEM (PKCS #8, no password)"
        raise SigningKeyError(message) from None
    if not isinstance(key, Ed25519PrivateKey):
        message = "must be an Ed25519 private key, and is another one"
        raise SigningKeyError(message)
    return PlatformKey(key)
