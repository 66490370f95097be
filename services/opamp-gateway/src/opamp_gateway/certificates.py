"""
Client certificates: whose they are, and which authority vouches for them.

A certificate comes from the TLS handshake, or in a header from a proxy of ours that ended TLS. Nobody else's
header is read. A certificate in a header is checked here again: a proxy may forward what it has not verified.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import uuid
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from opamp_gateway.credentials import ClientCertificate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_PEM = b"-----BEGIN CERTIFICATE-----"
_ENVOY = re.compile(r"[\s;,](?:by|hash|cert|chain|subject|uri|dns)=", re.IGNORECASE)
"""In a header, with a blank put before it: what only Envoy writes; base64 has its equals signs at its end."""

_CERT = "cert="
_MAX_HEADER = 16 * 1024
_URN = "urn:uuid:"
_ISSUED_BY_NOBODY = "the client certificate was issued by nobody known here"


class BadCertificate(ValueError):
    """A client certificate that proves nothing; the text is said to the peer."""


class Trust:
    """
    The authorities whose client certificates are believed.

    Args:
        outside_pem: Certificates of the operator's own authority, PEM; empty = there is none.
    """

    def __init__(self, outside_pem: bytes = b"") -> None:
        self._outside = x509.load_pem_x509_certificates(outside_pem) if outside_pem else []
        self._platform: list[x509.Certificate] = []

    def platform_is(self, pem: str) -> None:
        """
        Believe the platform's own authority from now on.

        Raises:
            ValueError: That is no PEM.
        """
        self._platform = x509.load_pem_x509_certificates(pem.encode()) if pem else []

    def verified(self, der: bytes, chain: Sequence[bytes] = ()) -> ClientCertificate:
        """
        Read a certificate whose chain the TLS handshake has verified.

        The handshake may have been with authorities that are not believed any more, so it is not taken for an answer:
        whoever is not known to vouch for the certificate now does not.

        Args:
            der: The certificate.

            chain: What the handshake has verified, the certificate first and the authority last, each DER; empty =
                not known.

        Raises:
            BadCertificate: It cannot be read, or was issued by nobody who is believed now.
        """
        certificate = _load(der)
        if self._issued(certificate, self._platform):
            return _described(certificate, outside=False)
        if self._issued(certificate, self._outside) or self._leads_outside(certificate, chain):
            return _described(certificate, outside=True)
        raise BadCertificate(_ISSUED_BY_NOBODY)

    def check(self, der: bytes, now: datetime) -> ClientCertificate:
        """
        Verify a certificate nobody here has verified: issuer, validity, purpose.

        Raises:
            BadCertificate: Says what is wrong with it.
        """
        certificate = _load(der)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise BadCertificate("the client certificate is not valid now")
        if not _for_clients(certificate):
            raise BadCertificate("the client certificate is not meant for clients")
        if self._issued(certificate, self._platform):
            return _described(certificate, outside=False)
        if self._issued(certificate, self._outside):
            return _described(certificate, outside=True)
        raise BadCertificate(_ISSUED_BY_NOBODY)

    def _leads_outside(self, certificate: x509.Certificate, chain: Sequence[bytes]) -> bool:
        """Say whether every link of *chain* vouches for the one before it, up to the operator's own authority."""
        below = certificate
        for der in chain[1:]:
            above = _load(der)
            if not self._issued(below, [above]):
                return False
            if above in self._outside or self._issued(above, self._outside):
                return True
            below = above
        return False

    @staticmethod
    def _issued(certificate: x509.Certificate, authorities: list[x509.Certificate]) -> bool:
        for authority in authorities:
            try:
                certificate.verify_directly_issued_by(authority)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return True
        return False


def der_of(header: str) -> bytes:
    """
    Read a forwarded certificate: RFC 9440, PEM with or without URL escapes, Envoy's, or bare base64.

    Raises:
        BadCertificate: It is none of these.
    """
    text = header.strip()
    if len(text) > _MAX_HEADER:
        raise BadCertificate("the forwarded certificate is too large")
    if _ENVOY.search(f" {text}"):
        text = _envoys(text)
    if "%" in text:
        text = unquote(text)
    data = text.encode("latin-1", "replace")
    if data.startswith(_PEM):
        # A proxy that forwards PEM in one line puts spaces where line feeds were.
        text = re.sub(r"-----(BEGIN|END) CERTIFICATE-----", " ", text.partition("-----END")[0])
    try:
        return base64.b64decode("".join(text.strip(":").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCertificate("the forwarded certificate is not readable") from error


def _envoys(text: str) -> str:
    """
    Find the certificate in the last element of x-forwarded-client-cert: the one our own proxy wrote.

    Elements before it came with the request, from whoever sent it.

    Raises:
        BadCertificate: That element holds none, or several, or does not end.
    """
    fields, quoted, start = [""], False, 0
    for index, character in enumerate(text):
        if character == '"' and text[index - 1 : index] != "\\":
            quoted = not quoted
        elif not quoted and character in ",;":
            fields[-1] = text[start:index].strip()
            if character == ",":
                fields = []
            fields.append("")
            start = index + 1
    fields[-1] = text[start:].strip()
    found = [field[len(_CERT) :] for field in fields if field.lower().startswith(_CERT)]
    if quoted or len(found) != 1:
        raise BadCertificate("the forwarded certificate is not readable")
    return found[0].strip('"')


def _load(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise BadCertificate("the client certificate is not readable") from error


def _described(certificate: x509.Certificate, *, outside: bool) -> ClientCertificate:
    return ClientCertificate(certificate.fingerprint(SHA256()), _uid_of(certificate), outside)


def _uid_of(certificate: x509.Certificate) -> bytes:
    """Read which agent it names: a SAN urn:uuid:…, else a CN that is a UUID; empty = none."""
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound, ValueError):
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = san.get_values_for_type(x509.UniformResourceIdentifier)
        names += [uri[len(_URN) :] for uri in uris if uri.lower().startswith(_URN)]
    with contextlib.suppress(ValueError):
        names += [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    for name in names:
        try:
            return uuid.UUID(name).bytes
        except ValueError:
            continue
    return b""


def _for_clients(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage
