"""
The stack's own certificate authority and the key agents' credentials come from: made at the first start, kept.

For this machine alone: production brings its own files (deploy/).
"""

from __future__ import annotations

import datetime as dt
import secrets as chance
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from devstack.secrets import write_private

if TYPE_CHECKING:
    from pathlib import Path

NAME = "OpAMP Platform on this machine"
LIFE = dt.timedelta(days=3650)


@dataclass(frozen=True)
class Authority:
    """Where agent-state finds what it makes credentials and certificates with."""

    credential_key: Path
    ca_key: Path
    ca_certificate: Path


def load_or_make_authority(data: Path) -> Authority:
    """Return the files of a data folder, making those that are not there; each is readable by its owner only."""
    files = Authority(data / "credential-key", data / "ca.key", data / "ca.crt")
    if not files.credential_key.exists():
        write_private(files.credential_key, chance.token_urlsafe(48) + "\n")
    if not (files.ca_key.exists() and files.ca_certificate.exists()):
        key, certificate = make_ca(dt.datetime.now(dt.UTC))
        write_private(files.ca_key, key)
        write_private(files.ca_certificate, certificate)
    return files


def make_ca(now: dt.datetime) -> tuple[str, str]:
    """Make the key and the certificate of an authority that signs agents' certificates only; both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()
