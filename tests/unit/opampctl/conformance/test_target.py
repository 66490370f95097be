"""The address of a server names both transports."""

from __future__ import annotations

import ssl

import pytest

from opampctl.conformance.target import Target, TargetError


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_either_scheme_names_both_transports(scheme: str) -> None:
    """WebSocket and HTTP addresses follow from each other, on the same path."""
    target = Target.parse(f"{scheme}://h:4320/v1/opamp")

    assert target.url(websocket=True) == "ws://h:4320/v1/opamp"
    assert target.url(websocket=False) == "http://h:4320/v1/opamp"
    assert target.tls() is None


def test_secure_schemes_are_verified_unless_told_otherwise() -> None:
    """Wss and https verify the certificate; --insecure-skip-verify does not."""
    secure, careless = Target.parse("https://h/x").tls(), Target.parse("wss://h/x", verify_tls=False).tls()

    assert secure is not None
    assert careless is not None
    assert (secure.verify_mode, careless.verify_mode) == (ssl.CERT_REQUIRED, ssl.CERT_NONE)


def test_ports_and_brackets() -> None:
    """The port is the scheme's unless it is named; IPv6 addresses keep their brackets."""
    assert Target.parse("wss://h").port == 443
    assert Target.parse("ws://h").path == "/"
    assert Target.parse("ws://[::1]:4320/v1/opamp?x=1").url(websocket=True) == "ws://[::1]:4320/v1/opamp?x=1"


def test_credentials_are_headers() -> None:
    """The token is shown as Bearer, beside headers of one's own."""
    assert Target.parse("ws://h", token="t", headers=(("X", "y"),)).credentials() == {
        "X": "y",
        "Authorization": "Bearer t",
    }


@pytest.mark.parametrize("endpoint", ["ftp://h", "h:4320", "ws://", "ws://h:notaport"])
def test_other_addresses_are_refused(endpoint: str) -> None:
    """What is no ws, wss, http or https URL cannot be examined."""
    with pytest.raises(TargetError):
        Target.parse(endpoint)
