"""Settings of api-gateway."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from api_gateway.settings import ApiGatewaySettings
from servicekit.settings import SettingsError, read

NEEDED = {"API_GATEWAY_POSTGRES_URL": "postgresql://x"}


def test_defaults_are_closed() -> None:
    """Loopback, no registration, no foreign origin, no trusted proxy."""
    settings = read(ApiGatewaySettings, NEEDED)

    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.registration_enabled is False
    assert settings.cors_origins == ()
    assert settings.proxy_networks() == ()
    assert "postgresql" not in str(settings)


def test_lists_are_separated_by_commas() -> None:
    """As every list in an environment variable."""
    settings = read(
        ApiGatewaySettings,
        {
            **NEEDED,
            "API_GATEWAY_CORS_ORIGINS": "https://a.example, http://localhost:3000",
            "API_GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
            "API_GATEWAY_SIGNING_KEY_FILE": "/keys/signing.pem",
        },
    )

    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")
    assert settings.proxy_networks() == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert str(settings.signing_key_file) == "/keys/signing.pem"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://*.example"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("TRUSTED_PROXIES", "everybody"),
        ("ACCESS_TOKEN_SECONDS", "86400"),
        ("JWT_SECRET", "x"),
        ("CUSTOM_CAPABILITY_ROLES", "com.example.shell=admin"),
        ("CUSTOM_CAPABILITY_ROLES", '{"com.example.shell": "viewer"}'),
        ("CUSTOM_CAPABILITY_ROLES", '{"": "admin"}'),
    ],
)
def test_what_would_open_a_door_is_refused(name: str, value: str) -> None:
    """Stars, tokens that live a day, settings that do not exist."""
    with pytest.raises(SettingsError, match=f"API_GATEWAY_{name}"):
        read(ApiGatewaySettings, {**NEEDED, f"API_GATEWAY_{name}": value})


def test_roles_of_capabilities_are_json() -> None:
    """Pattern to the least role that may send."""
    settings = read(ApiGatewaySettings, {**NEEDED, "API_GATEWAY_CUSTOM_CAPABILITY_ROLES": '{"com.example.*": "admin"}'})

    assert settings.custom_capability_roles == {"com.example.*": "admin"}
    assert read(ApiGatewaySettings, NEEDED).custom_capability_roles == {}
