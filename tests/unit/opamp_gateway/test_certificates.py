"""Client certificates: whose they are, who vouches for them, and what is not believed."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from gatewaylab.authority import Authority, der, pem
from gatewaylab.speech import UID

from opamp_gateway.certificates import BadCertificate, Trust, der_of

PLATFORM, OUTSIDE, STRANGER = Authority("platform"), Authority("outside"), Authority("platform")


def trust() -> Trust:
    """Believe the platform and one outside authority."""
    both = Trust(OUTSIDE.pem.encode())
    both.platform_is(PLATFORM.pem)
    return both


def test_platform_certificate_names_its_agent() -> None:
    """By its SAN; the issuer tells which authority it was."""
    certificate, _ = PLATFORM.agent(UID)

    found = trust().verified(der(certificate))

    assert (found.uid, found.outside_ca, len(found.sha256)) == (UID, False, 32)


def test_common_name_that_is_a_uuid_names_the_agent() -> None:
    """Where there is no SAN; any other name names nobody."""
    named, _ = OUTSIDE.agent(name=str(uuid.UUID(bytes=UID)))
    unnamed, _ = OUTSIDE.agent()

    assert trust().verified(der(named)).uid == UID
    assert trust().verified(der(unnamed)).uid == b""
    assert trust().verified(der(unnamed)).outside_ca


def test_forwarded_certificate_is_checked_again() -> None:
    """Issuer, dates and purpose; a namesake of an authority is not that authority."""
    now = datetime.now(UTC)
    good, _ = PLATFORM.agent(UID)
    outside, _ = OUTSIDE.agent(UID, purpose=None)
    assert trust().check(der(good), now).uid == UID
    assert trust().check(der(outside), now).outside_ca

    for certificate, words in (
        (PLATFORM.agent(UID, expired=True)[0], "not valid now"),
        (PLATFORM.agent(UID, purpose=ExtendedKeyUsageOID.SERVER_AUTH)[0], "not meant for clients"),
        (STRANGER.agent(UID)[0], "nobody known"),
    ):
        with pytest.raises(BadCertificate, match=words):
            trust().check(der(certificate), now)


def test_every_form_a_proxy_forwards_is_read() -> None:
    """RFC 9440, URL-escaped PEM, PEM in one line, Envoy's, bare base64."""
    certificate, _ = PLATFORM.agent(UID)
    data = base64.b64encode(der(certificate)).decode()
    text = pem(certificate)

    for header in (
        f":{data}:",
        quote(text),
        text.replace("\n", " "),
        f'By=spiffe://x;Hash=abc;Cert="{quote(text)}";Subject="CN=x"',
        data,
    ):
        assert der_of(header) == der(certificate)


@pytest.mark.parametrize("header", ["?", "x" * 20_000, "-----BEGIN CERTIFICATE----- ? -----END", 'Cert="%FF"'])
def test_nonsense_is_no_certificate(header: str) -> None:
    """Said as such, whatever it is."""
    with pytest.raises(BadCertificate):
        der_of(header)


def test_unreadable_certificate_proves_nothing() -> None:
    """Base64 of anything is not yet a certificate."""
    with pytest.raises(BadCertificate, match="readable"):
        trust().verified(b"x")


def test_authority_that_is_off_vouches_for_nobody() -> None:
    """An empty answer of agent-state takes the platform's authority away."""
    certificate, _ = PLATFORM.agent(UID)
    both = trust()
    both.platform_is("")

    with pytest.raises(BadCertificate):
        both.check(der(certificate), datetime.now(UTC))
