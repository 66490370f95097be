"""Whether a signature is what it claims to be."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.package_signing import key_id_of, statement_of
from package_service.signing.verification import checks_of, is_key, signer_of, verifies

if TYPE_CHECKING:
    from pathlib import Path

KEY, STRANGER = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32), Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
FILE = hashlib.sha256(b"a file").digest()
KEYS = {key_id_of(PUBLIC): PUBLIC}


def test_signer_is_found() -> None:
    """Whoever signed the hash of this file."""
    assert signer_of(KEY.sign(statement_of(FILE)), FILE, KEYS) == key_id_of(PUBLIC)


def test_wrong_signatures_have_no_signer() -> None:
    """Of another key, over another file, over the file instead of its hash, changed, cut off, too long."""
    good = KEY.sign(statement_of(FILE))
    wrong = [
        STRANGER.sign(statement_of(FILE)),
        KEY.sign(statement_of(hashlib.sha256(b"another file").digest())),
        KEY.sign(b"a file"),
        bytes([good[0] ^ 1]) + good[1:],
        good[:-1],
        good + b"\x00",
        b"",
    ]

    assert [signer_of(signature, FILE, KEYS) for signature in wrong] == [None] * len(wrong)
    assert signer_of(good, FILE, {}) is None


def test_keys_are_32_bytes() -> None:
    """And what is none verifies nothing."""
    assert is_key(PUBLIC)
    assert not is_key(b"short")
    assert not verifies(b"short", KEY.sign(b"x"), b"x")


def test_checks_are_by_key() -> None:
    """As envelopes want them."""
    checks = checks_of(KEYS)

    assert checks[key_id_of(PUBLIC)](KEY.sign(b"x"), b"x")
    assert not checks[key_id_of(PUBLIC)](STRANGER.sign(b"x"), b"x")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_signs_what_we_verify(tmp_path: Path) -> None:
    """The documented two lines of shell make a signature of ours."""
    (tmp_path / "file").write_bytes(b"a file")
    (tmp_path / "key.pem").write_bytes(
        KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    steps = (
        ["openssl", "dgst", "-sha256", "-binary", "-out", "digest", "file"],
        ["openssl", "pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "digest", "-out", "sig"],
    )
    for step in steps:
        subprocess.run(step, cwd=tmp_path, check=True, timeout=30)

    assert signer_of((tmp_path / "sig").read_bytes(), FILE, KEYS) == key_id_of(PUBLIC)
