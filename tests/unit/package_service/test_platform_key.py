"""The platform's key: what is read as one."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.package_signing import key_id_of
from package_service.platform_key import SigningKeyError, platform_key_of
from package_service.signing.verification import verifies

PEM, PKCS8, PLAIN = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


def test_key_is_read_and_signs() -> None:
    """Named by its public half; the same message gives the same signature."""
    private = Ed25519PrivateKey.generate()

    key = platform_key_of(private.private_bytes(PEM, PKCS8, PLAIN).decode())

    assert key is not None
    assert key.key_id == key_id_of(private.public_key().public_bytes_raw())
    assert key.sign(b"x") == key.sign(b"x")
    assert verifies(key.public_key, key.sign(b"x"), b"x")


@pytest.mark.parametrize("text", ["", " \n"])
def test_no_key_is_no_fault(text: str) -> None:
    """The platform then signs nothing."""
    assert platform_key_of(text) is None


def test_other_things_are_refused_without_being_quoted() -> None:
    """A key of another kind, one with a password, nonsense."""
    curve = generate_private_key(SECP256R1()).private_bytes(PEM, PKCS8, PLAIN)
    locked = Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"secret"))

    for text in (curve.decode(), locked.decode(), "hunter2"):
        with pytest.raises(SigningKeyError) as caught:
            platform_key_of(text)
        assert text.splitlines()[-1] not in str(caught.value)
        assert caught.value.__cause__ is None
