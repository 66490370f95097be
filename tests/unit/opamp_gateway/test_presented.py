"""Which certificate counts: the connection's own, or what a trusted proxy forwards."""

from __future__ import annotations

import base64
from ipaddress import ip_network

import pytest
from gatewaylab.authority import Authority, der
from gatewaylab.fakes import Lab
from gatewaylab.speech import UID
from gatewaylab.transport import FakeTransport

from opamp_gateway.certificates import BadCertificate
from opamp_gateway.limits import Limits
from opamp_gateway.presented import certificate_of
from servicekit.clock import SystemClock

AUTHORITY = Authority()
LIMITS = Limits(
    trusted_proxies=(ip_network("172.16.0.0/12"),),
    certificate_proxies=(ip_network("10.0.0.0/8"),),
    certificate_header="client-cert",
)


def lab() -> Lab:
    """Make a gateway that believes AUTHORITY and a proxy in 10.0.0.0/8."""
    made = Lab(LIMITS)
    made.gateway.clock = SystemClock()
    made.gateway.trust.platform_is(AUTHORITY.pem)
    return made


def header() -> dict[str, str]:
    """Forward a certificate of UID."""
    data = base64.b64encode(der(AUTHORITY.agent(UID)[0])).decode()
    return {"client-cert": f":{data}:"}


async def test_trusted_proxy_forwards_a_certificate() -> None:
    """It is the agent's."""
    found = certificate_of(lab().gateway, FakeTransport(), header(), "10.1.2.3")

    assert found is not None
    assert found.uid == UID


async def test_header_of_anybody_else_is_ignored() -> None:
    """Whoever can reach the door directly must not name itself, nor by a proxy that forwards addresses only."""
    for address in ("192.0.2.1", "172.16.0.1"):
        assert certificate_of(lab().gateway, FakeTransport(), header(), address) is None


async def test_proxy_may_forward_none() -> None:
    """Then the agent shows something else, or nothing."""
    assert certificate_of(lab().gateway, FakeTransport(), {}, "10.1.2.3") is None


async def test_bad_forwarded_certificate_is_refused() -> None:
    """Not taken for none."""
    with pytest.raises(BadCertificate):
        certificate_of(lab().gateway, FakeTransport(), {"client-cert": ":AAAA:"}, "10.1.2.3")


async def test_connection_without_tls_shows_none() -> None:
    """Nor does one that is gone."""
    assert certificate_of(Lab().gateway, FakeTransport(), {}, "192.0.2.1") is None
    assert certificate_of(Lab().gateway, None, {}, "192.0.2.1") is None
