"""A key of an agent's own and the request to certify it. The key never leaves the agent."""

from __future__ import annotations

import math
import os
import ssl
import tempfile
import uuid
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contracts.ids import format_uid

if TYPE_CHECKING:
    from contracts.ids import AgentUid
    from opampctl.simulate.terms import Terms


def make_request(uid: AgentUid) -> tuple[str, bytes]:
    """Make a P-256 key and a certificate signing request for *uid*; both PEM, key first."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, format_uid(uid))])
    alternative = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uuid.UUID(bytes=bytes(uid)).urn)])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return pem, request.public_bytes(serialization.Encoding.PEM)


def renewal_time(certificate: str) -> float:
    """Tell when two thirds of a certificate's life are over, in Unix seconds; never, if it is none."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.encode())[0]
    except ValueError:
        return math.inf
    begin, end = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    return begin + (end - begin) * 2 / 3


def tls_context(terms: Terms, *, ca_file: str | None, verify: bool) -> ssl.SSLContext:
    """
    Build the TLS context of an agent on its own terms.

    Raises:
        ssl.SSLError: Certificate and key do not fit, or a CA cannot be read.
    """
    context = ssl.create_default_context(cafile=ca_file)
    if terms.ca:
        context.load_verify_locations(cadata=terms.ca)
    if terms.insecure or not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if terms.certificate:
        # The library reads keys from files only; this one lives for a moment, and only its owner may read it.
        descriptor, path = tempfile.mkstemp(prefix="opampctl-", suffix=".pem")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as out:
                out.write(terms.private_key + "\n" + terms.certificate)
            context.load_cert_chain(path)
        finally:
            os.unlink(path)  # noqa: PTH108 - beside mkstemp
    return context
