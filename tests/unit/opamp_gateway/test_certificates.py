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


def test_certificate_of_an_authority_that_was_taken_out_proves_nothing() -> None:
    """It does not become one of the operator's own authority: the platform's is another by now, or off."""
    certificate, _ = PLATFORM.agent(UID)

    for pem_now in (STRANGER.pem, ""):
        for both in (trust(), Trust()):
            both.platform_is(pem_now)
            with pytest.raises(BadCertificate, match="nobody known"):
                both.verified(der(certificate), [der(certificate), der(PLATFORM.certificate)])


def test_operators_authority_may_issue_by_others() -> None:
    """Those the handshake has verified; a chain that ends elsewhere, or has a gap, proves nothing."""
    between = OUTSIDE.below("between")
    certificate, _ = between.agent(UID)
    chain = [der(certificate), der(between.certificate), der(OUTSIDE.certificate)]

    assert trust().verified(der(certificate), chain).outside_ca
    assert trust().verified(der(certificate), chain[:2]).outside_ca
    for bad in ([], chain[:1], [chain[0], chain[2]], [chain[0], der(STRANGER.certificate), chain[2]]):
        with pytest.raises(BadCertificate, match="nobody known"):
            trust().verified(der(certificate), bad)


def test_only_the_last_of_envoys_elements_counts() -> None:
    """The others came with the request; the last one without a certificate, or with two, is none."""
    mine, other = (quote(pem(PLATFORM.agent(UID)[0])) for _ in range(2))
    forged = f'Cert="{other}";Subject="CN=\\"a,b\\"",By=spiffe://x;Hash=abc;Subject="O=a, b;CN=c"'

    assert der_of(f'{forged};Cert="{mine}"') == der_of(f'Cert="{mine}"') != der_of(f'Cert="{other}"')
    for header in (forged, f'Cert="{mine}";By=x;cert="{other}"', f'Hash=1;Cert="{mine}', f'Hash=1;X="{mine}"'):
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
