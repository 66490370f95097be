"""The authority signs what agents ask for."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opampctl.conformance.as_server.authority import Authority


def test_certificate_is_for_the_key_of_the_request() -> None:
    """Subject and key are those of the request, and the authority's key signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    authority = Authority()

    issued = authority.issue(request)

    assert (issued.subject, issued.public_key()) == (name, key.public_key())
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pem))
