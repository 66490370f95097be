"""
Certificates for agents: what they ask for is checked, what they get is the platform's choice.

Nothing of a request but its key is taken over: subject, names, usage and life are set here. The key of the CA is
behind a Signer, so that it can live elsewhere.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent_state.errors import CertificateRefused
from contracts.ids import format_uid, parse_uid

MAX_CSR_BYTES: Final = 16 * 1024
MIN_RSA_BITS: Final = 3072
BACKDATED: Final = timedelta(minutes=5)
"""Clocks of agents may be behind."""

AUTHORITY_YEARS: Final = 10
AUTHORITY_NAME: Final = "OpAMP Platform agents"

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Signer(Protocol):
    """Signs certificates as the platform's CA; the key may be a file or live in a KMS."""

    @property
    def certificate(self) -> x509.Certificate:
        """The CA's own certificate."""
        ...

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign what was laid out."""
        ...


class FileSigner:
    """
    Signs with a key in memory.

    Args:
        key_pem: PKCS #8, not encrypted.

        certificates_pem: The CA's certificate, and after it older ones that are still trusted.

    Raises:
        ValueError: They are unreadable, or do not belong together.
    """

    def __init__(self, key_pem: bytes, certificates_pem: bytes) -> None:
        key = serialization.load_pem_private_key(key_pem, None)
        if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
            message = "the CA's key must be RSA, EC or Ed25519"
            raise ValueError(message)  # noqa: TRY004 - a setting that cannot be used
        self._key: SigningKey = key
        self._certificates = x509.load_pem_x509_certificates(certificates_pem)
        if _spki(self._certificates[0].public_key()) != _spki(key.public_key()):
            message = "the CA's first certificate is not that of its key"
            raise ValueError(message)

    @property
    def certificate(self) -> x509.Certificate:
        """The CA's own certificate."""
        return self._certificates[0]

    @property
    def certificates_pem(self) -> bytes:
        """All that gateways trust, newest first."""
        return b"".join(_pem(one) for one in self._certificates)

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign what was laid out."""
        return builder.sign(self._key, _algorithm(self._key))


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate just signed."""

    pem: bytes
    sha256: bytes
    not_before: datetime
    not_after: datetime


def issue(
    signer: Signer, request: x509.CertificateSigningRequest, uid: bytes, now: datetime, life: timedelta
) -> Issued:
    """Sign a checked request for agent *uid*; it never outlives the CA."""
    not_after = min(now + life, signer.certificate.not_valid_after_utc)
    public_key = request.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, format_uid(uid))]))
        .issuer_name(signer.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(leaf=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(_urn(uid))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority_identifier(signer.certificate), critical=False)
    )
    made = signer.sign(builder)
    return Issued(_pem(made), made.fingerprint(hashes.SHA256()), now - BACKDATED, not_after)


def certifies(pem: bytes, request: x509.CertificateSigningRequest, signer: Signer) -> bool:
    """Say whether a certificate is what *signer* would give for *request*: its own, for the same key."""
    made = x509.load_pem_x509_certificate(pem)
    try:
        made.verify_directly_issued_by(signer.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return _spki(made.public_key()) == _spki(request.public_key())


def read_request(pem: bytes, uid: bytes) -> x509.CertificateSigningRequest:
    """
    Check a certificate request of agent *uid*.

    Raises:
        CertificateRefused: It is not one, is not signed by its own key, has a weak key, or names somebody else.
    """
    if not pem:
        raise CertificateRefused("certificate_request.csr is required.")
    if len(pem) > MAX_CSR_BYTES:
        raise CertificateRefused(f"The certificate request is larger than {MAX_CSR_BYTES} bytes.")
    try:
        request = x509.load_pem_x509_csr(pem)
        sound = request.is_signature_valid
        key = request.public_key()
        extensions = request.extensions
        common_names = [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.DuplicateExtension) as error:
        raise CertificateRefused("The certificate request cannot be read: it must be PKCS #10 in PEM.") from error
    if not sound:
        raise CertificateRefused("The certificate request is not signed by its own key.")
    _check_key(key)
    for name in common_names:
        if _names_another(name, uid):
            raise CertificateRefused("The certificate request names another agent.")
    _check_extensions(extensions, uid)
    return request


def create_authority(now: datetime, name: str = AUTHORITY_NAME) -> tuple[bytes, bytes]:
    """Make a CA; return its key and its certificate, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=365 * AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(leaf=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, _pem(certificate)


def _check_key(key: object) -> None:
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise CertificateRefused(f"An RSA key must have at least {MIN_RSA_BITS} bits.")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)):
            raise CertificateRefused("An EC key must be on P-256, P-384 or P-521.")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise CertificateRefused("The key must be EC (P-256), Ed25519 or RSA.")


def _check_extensions(extensions: x509.Extensions, uid: bytes) -> None:
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise CertificateRefused("A certificate for an agent cannot be a CA's.")
        if isinstance(value, x509.SubjectAlternativeName):
            for name in value:
                if not isinstance(name, x509.UniformResourceIdentifier) or name.value.lower() != _urn(uid):
                    raise CertificateRefused(f"The only alternative name an agent may ask for is {_urn(uid)}.")


def _names_another(name: str, uid: bytes) -> bool:
    """Say whether *name* is the id of another agent; a name that is no id is nobody's."""
    try:
        named = uuid.UUID(name) if name.lower().startswith("urn:uuid:") else uuid.UUID(bytes=bytes(parse_uid(name)))
    except ValueError:
        return False
    return named.bytes != uid


def _urn(uid: bytes) -> str:
    return f"urn:uuid:{format_uid(uid)}"


def _usage(*, leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=leaf,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_identifier(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        known = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        key = authority.public_key()
        assert isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey))  # noqa: S101
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _algorithm(key: SigningKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _spki(key: object) -> bytes:
    assert isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey))  # noqa: S101
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
