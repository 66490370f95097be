"""What may be said about signatures, keys and manifests."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from api_gateway.models.package_signatures import (
    MAX_SIGNATURE_TEXT,
    NewPackageKey,
    NewSignature,
    SignedManifest,
    decoded,
    public_key_of,
)

PUBLIC = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32).public_key()
RAW = PUBLIC.public_bytes_raw()
PEM = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
CURVE = (
    generate_private_key(SECP256R1())
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


@pytest.mark.parametrize("text", [PEM, base64.b64encode(RAW).decode(), f" {base64.b64encode(RAW).decode()}\n"])
def test_keys_come_in_two_forms(text: str) -> None:
    """PEM, as openssl writes it, or base64 of the key itself."""
    assert public_key_of(NewPackageKey(public_key=text).public_key) == RAW


@pytest.mark.parametrize("text", ["", "!", "AAAA", CURVE, PEM[:60], "-----BEGIN PUBLIC KEY-----\n"])
def test_other_things_are_no_keys(text: str) -> None:
    """Refused before anybody is asked."""
    with pytest.raises(ValidationError, match="Ed25519"):
        NewPackageKey(public_key=text)


@pytest.mark.parametrize(
    "fields",
    [{"signature": ""}, {"signature": "!"}, {"signature": "A" * (MAX_SIGNATURE_TEXT + 4)}, {"colour": "red"}],
)
def test_wrong_signatures_are_refused(fields: dict[str, Any]) -> None:
    """No base64, too long, unknown fields."""
    with pytest.raises(ValidationError):
        NewSignature.model_validate({"format": "ed25519", "signature": "AAAA", **fields})


def test_base64_is_read() -> None:
    """Strictly: no other signs between."""
    assert decoded("AP8=") == b"\x00\xff"
    with pytest.raises(ValueError, match="base64"):
        decoded("AP8=\n=")


def test_manifest_may_be_left_out() -> None:
    """Then the platform signs; an envelope has so many signatures at most."""
    assert SignedManifest().payload == ""
    with pytest.raises(ValidationError):
        SignedManifest.model_validate({"payload": "e30=", "signatures": [{"sig": "AAAA"}] * 17})
