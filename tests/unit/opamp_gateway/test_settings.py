"""What an operator can tell the gateway."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from gatewaylab.authority import Authority

from devstack.nats import MAX_PAYLOAD
from opamp_gateway.errors import ConfigurationRefused
from opamp_gateway.limits import Limits
from opamp_gateway.settings import Settings, environment_of_worker
from servicekit.settings import SettingsError, read


def settings(**given: str) -> Settings:
    """Read settings from an environment; names without the prefix."""
    return read(Settings, {f"OPAMP_GATEWAY_{name}": value for name, value in given.items()})


def test_defaults_of_settings_are_the_defaults_of_limits() -> None:
    """One default, not two."""
    assert settings().limits() == Limits()


def test_trusted_proxies_are_networks() -> None:
    """Several are separated by commas; what is none is named."""
    assert settings(TRUSTED_PROXIES="10.0.0.0/8, ::1").limits().trusted_proxies == (
        ip_network("10.0.0.0/8"),
        ip_network("::1"),
    )
    with pytest.raises(ConfigurationRefused, match="TRUSTED_PROXIES"):
        settings(TRUSTED_PROXIES="nonsense").limits()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "gateway.example"])  # noqa: S104 - what must be refused
def test_open_door_is_refused_on_a_network(host: str) -> None:
    """Anybody could come in; the sentence says what to set."""
    with pytest.raises(ConfigurationRefused, match="AUTHENTICATION=token"):
        settings(AUTHENTICATION="open", HOST=host).check_open()


@pytest.mark.parametrize(
    "given",
    [
        {"AUTHENTICATION": "open"},
        {"AUTHENTICATION": "open", "HOST": "::1"},
        {"AUTHENTICATION": "open", "HOST": "localhost"},
        {"AUTHENTICATION": "token", "HOST": "0.0.0.0"},  # noqa: S104 - with tokens it is fine
        {"AUTHENTICATION": "open", "HOST": "0.0.0.0", "ALLOW_OPEN_TO_NETWORK": "true"},  # noqa: S104 - on purpose
    ],
)
def test_safe_doors_are_fine(given: dict[str, str]) -> None:
    """Loopback, tokens, or said on purpose."""
    settings(**given).check_open()


def test_faults_are_named() -> None:
    """A port that is none, a path without slash."""
    with pytest.raises(SettingsError, match="OPAMP_GATEWAY_PORT"):
        settings(PORT="70000")
    with pytest.raises(SettingsError, match="OPAMP_GATEWAY_PATH"):
        settings(PATH="v1")


def test_worker_has_its_own_ops_port_and_shares_the_rest() -> None:
    """It is told to be one process on a shared port."""
    environment = environment_of_worker(settings(OPS_PORT="9000", WORKERS="4"), 2)

    assert environment["OPAMP_GATEWAY_WORKERS"] == "1"
    assert environment["OPAMP_GATEWAY_REUSE_PORT"] == "true"
    assert environment["OPAMP_GATEWAY_OPS_PORT"] == "9002"
    assert environment_of_worker(settings(), 2)["OPAMP_GATEWAY_OPS_PORT"] == "0"


def test_largest_fact_fits_in_one_bus_message() -> None:
    """A part of the largest size allowed leaves room for its envelope; more is refused at the start."""
    most = settings(MAX_FACT_BYTES=str(3 * 1024 * 1024)).max_fact_bytes
    assert most + 64 * 1024 < MAX_PAYLOAD
    with pytest.raises(SettingsError):
        settings(MAX_FACT_BYTES=str(MAX_PAYLOAD))


def test_door_speaks_tls_with_both_files_or_not_at_all(tmp_path: Path) -> None:
    """One of them, or one that is none, is said at the start."""
    certificate, key = (str(path) for path in Authority().door(tmp_path))

    assert settings().door_tls() is None
    assert settings(TLS_CERTIFICATE_FILE=certificate, TLS_KEY_FILE=key).door_tls() is not None
    for given in (
        {"TLS_CERTIFICATE_FILE": certificate},
        {"TLS_CERTIFICATE_FILE": certificate, "TLS_KEY_FILE": certificate},
        {"TLS_CERTIFICATE_FILE": certificate, "TLS_KEY_FILE": str(tmp_path / "none")},
    ):
        with pytest.raises(ConfigurationRefused, match="TLS"):
            settings(**given).door_tls()


def test_outside_authority_is_read(tmp_path: Path) -> None:
    """Or its absence told."""
    file = tmp_path / "ca.pem"
    file.write_text(Authority().pem)

    assert settings().outside_authority() == b""
    assert settings(CLIENT_CA_FILE=str(file)).outside_authority() == file.read_bytes()
    with pytest.raises(ConfigurationRefused, match="CLIENT_CA_FILE"):
        settings(CLIENT_CA_FILE=str(tmp_path / "none")).outside_authority()


def test_forwarded_certificates_need_a_proxy_to_trust() -> None:
    """A header anybody may send proves nothing."""
    header = {"CLIENT_CERTIFICATE_HEADER": "X-Client-Cert"}
    for given in (header, {**header, "TRUSTED_PROXIES": "10.0.0.0/8"}, {"CERTIFICATE_PROXIES": "10.0.0.0/8"}):
        with pytest.raises(ConfigurationRefused, match="CERTIFICATE_PROXIES"):
            settings(**given).limits()
    with pytest.raises(ConfigurationRefused, match="CERTIFICATE_PROXIES"):
        settings(**header, CERTIFICATE_PROXIES="x").limits()
    limits = settings(**header, CERTIFICATE_PROXIES="10.0.0.0/8").limits()
    assert limits.certificate_header == "x-client-cert"
    assert (limits.certificate_proxies, limits.trusted_proxies) == ((ip_network("10.0.0.0/8"),), ())
