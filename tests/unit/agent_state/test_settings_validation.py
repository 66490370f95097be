from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from agent_state.settings_policy import Policy
from agent_state.settings_validation import MAX_HEADERS, MAX_SETTINGS_BYTES, check, warnings_of
from opamp.v1 import opamp_pb2 as opamp

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def pair(number: int = 0, days: int = 30) -> tuple[bytes, bytes]:
    """Make a certificate and its key, PEM."""
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {number}")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), number + 1)
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(key, None)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def policy(**settings: object) -> Policy:
    """Write a policy with these members."""
    return Policy("default", "p", opamp.ConnectionSettingsOffers(**settings))  # type: ignore[arg-type] # members by name


def opamp_with(**fields: object) -> Policy:
    """Write a policy for the OpAMP connection."""
    return policy(opamp=opamp.OpAMPConnectionSettings(**fields))  # type: ignore[arg-type] # fields by name


def faults(written: Policy, *, allow_insecure: bool = False) -> dict[str, str]:
    """Tell what is wrong, by place."""
    return {problem.field: problem.message for problem in check(written, NOW, allow_insecure=allow_insecure)}


def headers(*pairs: tuple[str, str]) -> opamp.Headers:
    """Write headers."""
    return opamp.Headers(headers=[opamp.Header(key=key, value=value) for key, value in pairs])


def test_everything_that_may_be_said_at_once() -> None:
    """A policy that uses every field has no fault."""
    cert, key = pair()
    written = policy(
        opamp=opamp.OpAMPConnectionSettings(
            destination_endpoint="wss://opamp.example.org/v1/opamp",
            headers=headers(("Authorization", "Bearer x"), ("X-Tenant", "a b\tc")),
            certificate=opamp.TLSCertificate(cert=cert, private_key=key, ca_cert=cert),
            heartbeat_interval_seconds=30,
            tls=opamp.TLSConnectionSettings(
                ca_pem_contents=cert.decode(),
                min_version="1.2",
                max_version="TLSv1.3",
                cipher_suites=["TLS_AES_128_GCM_SHA256"],
            ),
            proxy=opamp.ProxyConnectionSettings(url="http://u:p@proxy:3128", connect_headers=headers(("X-A", "b"))),
        ),
        own_metrics=opamp.TelemetryConnectionSettings(destination_endpoint="https://otlp:4318/v1/metrics"),
        own_traces=opamp.TelemetryConnectionSettings(destination_endpoint="https://otlp:4318/v1/traces"),
        own_logs=opamp.TelemetryConnectionSettings(destination_endpoint="https://otlp:4318/v1/logs"),
        other_connections={
            "db": opamp.OtherConnectionSettings(destination_endpoint="db:5432", other_settings={"a": "b"})
        },
    )

    assert faults(replace(written, selector={"env": "prod"}, priority=-5)) == {}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://otlp:4318", "complete OTLP/HTTP"),
        ("https://otlp:4318/", "complete OTLP/HTTP"),
        ("", "absolute"),
        ("otlp:4318/v1/metrics", "absolute"),
        ("grpc://otlp:4317/v1/metrics", "must begin with"),
        ("wss://otlp/v1/metrics", "must begin with"),
        ("https://u:p@otlp/v1/metrics", "headers"),
        ("https://otlp:99999/v1/metrics", "absolute"),
        ("https://otlp/v1/metrics#x", "fragment"),
        ("https://otlp/v1/ metrics", "absolute"),
        ("https://" + "x" * 3000 + "/v1/metrics", "absolute"),
    ],
)
def test_telemetry_needs_a_complete_address(url: str, said: str) -> None:
    """OTLP over HTTP with its path (S-158)."""
    written = policy(own_metrics=opamp.TelemetryConnectionSettings(destination_endpoint=url))
    written.settings.own_metrics.SetInParent()

    assert said in faults(written)["settings.own_metrics.destination_endpoint"]


@pytest.mark.parametrize("scheme", ["ws", "wss", "http", "https"])
def test_opamp_addresses_have_four_schemes(scheme: str) -> None:
    """And may be left to the platform (S-129)."""
    assert faults(opamp_with(destination_endpoint=f"{scheme}://h/v1/opamp")) == {}
    assert faults(opamp_with(heartbeat_interval_seconds=5)) == {}
    assert list(faults(opamp_with(destination_endpoint="ftp://h/"))) == ["settings.opamp.destination_endpoint"]


def test_plain_addresses_are_warned_of_not_refused() -> None:
    """Inside a trusted network they may be right (S-159)."""
    written = policy(own_logs=opamp.TelemetryConnectionSettings(destination_endpoint="http://otlp:4318/v1/logs"))

    assert faults(written) == {}
    assert warnings_of(written.settings) == ["own_logs goes to http://, which is not encrypted"]


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("", "x", "settings.opamp.headers."),
        ("a b", "x", "settings.opamp.headers.a b"),
        ("X-A", "line\nbreak", "settings.opamp.headers.X-A"),
        ("X-A", "ü", "settings.opamp.headers.X-A"),
        ("Host", "x", "settings.opamp.headers.Host"),
        ("X-A", "x" * 9000, "settings.opamp.headers.X-A"),
    ],
)
def test_headers_must_be_sendable(name: str, value: str, place: str) -> None:
    """A header no client could send would stop it from connecting."""
    assert list(faults(opamp_with(headers=headers((name, value))))) == [place]


def test_headers_are_few_and_there_once() -> None:
    """Names are compared without case."""
    assert "there twice" in faults(opamp_with(headers=headers(("A", "1"), ("a", "2"))))["settings.opamp.headers.a"]
    many = headers(*((f"h{n}", "x") for n in range(MAX_HEADERS + 1)))
    assert list(faults(opamp_with(headers=many))) == ["settings.opamp.headers"]


def test_certificates_and_keys_belong_together() -> None:
    """Half a certificate, a foreign key, one that has expired, or no PEM at all (S-164)."""
    cert, key = pair()

    def fault(**fields: bytes) -> dict[str, str]:
        found = faults(opamp_with(certificate=opamp.TLSCertificate(**fields)))
        return {place.removeprefix("settings.opamp.certificate."): said for place, said in found.items()}

    assert "needs its private key" in fault(cert=cert)["private_key"]
    assert "needs its private key" in fault(private_key=key)["cert"]
    assert "does not belong" in fault(cert=cert, private_key=pair(1)[1])["private_key"]
    assert "expired" in fault(cert=pair(2, -1)[0], private_key=pair(2, -1)[1])["cert"]
    assert "not a certificate" in fault(cert=b"x", private_key=key)["cert"]
    assert "not a private key" in fault(cert=cert, private_key=b"x")["private_key"]
    assert "not a certificate" in fault(cert=cert, private_key=key, ca_cert=b"x")["ca_cert"]
    assert faults(opamp_with(certificate=opamp.TLSCertificate())) == {"settings.opamp.certificate": "sets nothing"}


def test_authority_alone_may_be_told() -> None:
    """The Collector's supervisor looks for what to trust there, and verifies nothing without it."""
    assert faults(opamp_with(certificate=opamp.TLSCertificate(ca_cert=pair()[0]))) == {}


def test_encrypted_keys_are_of_no_use() -> None:
    """The agent would have no password for it."""
    key = serialization.load_pem_private_key(pair()[1], None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    found = faults(opamp_with(certificate=opamp.TLSCertificate(cert=pair()[0], private_key=locked)))

    assert found == {"settings.opamp.certificate.private_key": "must not be encrypted"}


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"min_version": "1.4"}, "min_version"),
        ({"min_version": "1.3", "max_version": "1.2"}, "max_version"),
        ({"ca_pem_contents": "x"}, "ca_pem_contents"),
        ({"cipher_suites": ["a b"]}, "cipher_suites"),
        ({"insecure_skip_verify": True}, "insecure_skip_verify"),
    ],
)
def test_tls_options_must_make_sense(fields: dict[str, object], place: str) -> None:
    """Verification is never switched off in passing."""
    tls = opamp.TLSConnectionSettings(**fields)  # type: ignore[arg-type] # fields by name

    assert list(faults(opamp_with(tls=tls))) == [f"settings.opamp.tls.{place}"]


def test_verification_may_be_switched_off_where_allowed() -> None:
    """By whoever runs the platform, for laboratories."""
    written = opamp_with(tls=opamp.TLSConnectionSettings(insecure_skip_verify=True))

    assert faults(written, allow_insecure=True) == {}


@pytest.mark.parametrize(("url", "is_fine"), [("", False), ("p:1", True), ("socks5://p:1", True), ("ftp://p", False)])
def test_proxies_have_an_address(url: str, is_fine: bool) -> None:
    """Every proxy offer has one (S-167)."""
    written = opamp_with(proxy=opamp.ProxyConnectionSettings(url=url))
    written.settings.opamp.proxy.SetInParent()

    assert (faults(written) == {}) is is_fine


def test_other_connections_say_something() -> None:
    """Any address the agent understands, but no password in it."""
    assert faults(policy(other_connections={"a": opamp.OtherConnectionSettings()})) == {
        "settings.other_connections.a": "sets nothing"
    }
    written = policy(other_connections={"a": opamp.OtherConnectionSettings(destination_endpoint="u:p@h")})
    assert "password" in faults(written)["settings.other_connections.a.destination_endpoint"]
    nameless = policy(other_connections={"": opamp.OtherConnectionSettings(destination_endpoint="h")})
    assert list(faults(nameless)) == ["settings.other_connections."]


def test_frame_is_checked_too() -> None:
    """Name, selector, priority, author; and that anything is set."""
    written = replace(policy(), name="-", priority=1 << 30, author="x" * 500, selector={"": "x"})

    assert set(faults(written)) == {"name", "priority", "author", "selector.", "settings"}
    assert list(faults(replace(opamp_with(), selector={str(n): "" for n in range(65)}))) == ["selector"]


def test_size_is_bounded() -> None:
    """What would not fit into an offer is refused at once."""
    other = {"a": opamp.OtherConnectionSettings(other_settings={"x": "y" * MAX_SETTINGS_BYTES})}

    assert list(faults(policy(other_connections=other))) == ["settings"]
    many = {str(n): opamp.OtherConnectionSettings(destination_endpoint="h") for n in range(33)}
    assert list(faults(policy(other_connections=many))) == ["settings.other_connections"]


def test_interval_is_bounded() -> None:
    """0 is no fault: it is read as the default."""
    assert list(faults(opamp_with(heartbeat_interval_seconds=1 << 20))) == ["settings.opamp.heartbeat_interval_seconds"]
