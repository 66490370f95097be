from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent_state.certificates import MAX_CSR_BYTES, FileSigner, create_authority, issue, read_request
from agent_state.errors import CertificateRefused
from contracts.ids import format_uid
from world.facts import uid_of

if TYPE_CHECKING:
    from agent_state.certificates import SigningKey

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
UID = uid_of(1)
URN = f"urn:uuid:{format_uid(UID)}"
P256 = ec.generate_private_key(ec.SECP256R1())


def csr(name: str = "an agent", *extensions: x509.ExtensionType, key: SigningKey = P256) -> bytes:
    """Ask for a certificate."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


def san(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    """Ask for alternative names."""
    return x509.SubjectAlternativeName(names)


@pytest.mark.parametrize(
    "pem",
    [
        csr(),
        csr(""),
        csr(format_uid(UID)),
        csr(format_uid(UID).upper().replace("-", "")),
        csr(URN),
        csr("an agent", san(x509.UniformResourceIdentifier(URN))),
        csr("an agent", x509.BasicConstraints(ca=False, path_length=None)),
        csr(key=ed25519.Ed25519PrivateKey.generate()),
        csr(key=ec.generate_private_key(ec.SECP384R1())),
        csr(key=rsa.generate_private_key(65537, 3072)),
    ],
)
def test_sound_requests_are_taken(pem: bytes) -> None:
    """Keys of today's strength; a name that is no id is nobody's and is not taken over."""
    assert read_request(pem, UID).is_signature_valid


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (b"", "required"),
        (b"x" * (MAX_CSR_BYTES + 1), "larger"),
        (b"not a request", "cannot be read"),
        (csr()[:200] + b"\n-----END CERTIFICATE REQUEST-----\n", "cannot be read"),
        (csr(format_uid(uid_of(2))), "another agent"),
        (csr(f"urn:uuid:{format_uid(uid_of(2))}"), "another agent"),
        (csr("an agent", san(x509.UniformResourceIdentifier(f"urn:uuid:{format_uid(uid_of(2))}"))), "alternative name"),
        (csr("an agent", san(x509.DNSName("example.org"))), "alternative name"),
        (csr("an agent", x509.BasicConstraints(ca=True, path_length=None)), "CA"),
        (csr(key=ec.generate_private_key(ec.SECP256K1())), "P-256"),
        (csr(key=rsa.generate_private_key(65537, 2048)), "3072"),
    ],
)
def test_unsound_requests_are_refused_with_the_reason(pem: bytes, words: str) -> None:
    """The sentence goes to the agent as BadRequest."""
    with pytest.raises(CertificateRefused, match=words):
        read_request(pem, UID)


def test_a_request_must_be_signed_by_its_own_key() -> None:
    """Else somebody would get a certificate for a key that is not theirs."""
    der = bytearray(x509.load_pem_x509_csr(csr()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    pem = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)

    with pytest.raises(CertificateRefused, match="signed by its own key"):
        read_request(pem, UID)


def test_what_is_issued_is_the_platforms_choice() -> None:
    """Subject, names, usage and life are set here; of the request only the key is taken over."""
    signer = FileSigner(*create_authority(NOW))

    issued = issue(signer, read_request(csr("root of all agents"), UID), UID, NOW, timedelta(days=14))

    made = x509.load_pem_x509_certificate(issued.pem)
    made.verify_directly_issued_by(signer.certificate)
    assert made.subject.rfc4514_string() == f"CN={format_uid(UID)}"
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [URN]
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert made.not_valid_after_utc == issued.not_after == NOW + timedelta(days=14)
    assert made.not_valid_before_utc < NOW
    assert made.fingerprint(hashes.SHA256()) == issued.sha256
    assert made.public_key() == P256.public_key()


def test_nothing_outlives_the_authority() -> None:
    """A certificate that ends after its CA would not verify."""
    signer = FileSigner(*create_authority(NOW))
    late = signer.certificate.not_valid_after_utc - timedelta(days=1)

    issued = issue(signer, read_request(csr(), UID), UID, late, timedelta(days=14))

    assert issued.not_after == signer.certificate.not_valid_after_utc


def test_older_authorities_stay_trusted() -> None:
    """The first certificate signs; those after it are told to gateways as well."""
    old_pem = create_authority(NOW)[1]
    key, new_pem = create_authority(NOW)

    signer = FileSigner(key, new_pem + old_pem)

    assert signer.certificates_pem.count(b"BEGIN CERTIFICATE") == 2
    assert signer.certificates_pem.startswith(new_pem)


def test_a_key_that_is_not_the_certificates_is_refused() -> None:
    """Seen at start, not with the first agent."""
    with pytest.raises(ValueError, match="not that of its key"):
        FileSigner(create_authority(NOW)[0], create_authority(NOW)[1])
