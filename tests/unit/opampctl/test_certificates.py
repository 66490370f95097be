"""A key of an agent's own, and TLS with it."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.ids import AgentUid
from opampctl.simulate.certificates import make_request, renewal_time, tls_context
from opampctl.simulate.terms import Terms

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

UID = AgentUid(bytes(range(16)))


def self_signed(key_pem: str) -> str:
    """Make a certificate for a key, good enough to be loaded."""
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now, name = dt.datetime.now(dt.UTC), x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_a_request_names_its_agent_twice() -> None:
    """As common name and as URN; its signature proves the key, which is a fresh one each time."""
    key, pem = make_request(UID)
    request = x509.load_pem_x509_csr(pem)

    assert request.is_signature_valid
    assert "00010203-0405-0607-0809-0a0b0c0d0e0f" in request.subject.rfc4514_string()
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "urn:uuid:00010203-0405-0607-0809-0a0b0c0d0e0f"
    ]
    assert key != make_request(UID)[0]


def test_a_context_holds_the_certificate_and_leaves_no_key_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file it is read from is gone; verification is off only where said."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    key, _ = make_request(UID)
    certificate = self_signed(key)

    own = tls_context(Terms(certificate=certificate, private_key=key, ca=certificate), ca_file=None, verify=True)
    careless = tls_context(Terms(insecure=True), ca_file=None, verify=True)

    assert own.verify_mode is ssl.CERT_REQUIRED
    assert careless.verify_mode is ssl.CERT_NONE
    assert len(own.get_ca_certs()) >= 1
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_is_renewed_after_two_thirds_of_its_life() -> None:
    """A day's certificate after sixteen hours; what is no certificate never."""
    certificate = self_signed(make_request(UID)[0])
    begin = x509.load_pem_x509_certificate(certificate.encode()).not_valid_before_utc.timestamp()

    assert renewal_time(certificate) == begin + 16 * 3600
    assert renewal_time("CERT") == float("inf")
