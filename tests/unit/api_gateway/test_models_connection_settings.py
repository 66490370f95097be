"""What connection settings may look like."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.connection_settings import MAX_HEADERS, ConnectionSettingsChange

METRICS = {"destination_endpoint": "https://t.example.org/v1/metrics"}


@pytest.mark.parametrize(
    "settings",
    [
        {"opamp": {"destination_endpoint": "ftp://example.org"}},
        {"opamp": {"destination_endpoint": "https://"}},
        {"opamp": {"destination_endpoint": "https://[broken"}},
        {"opamp": {"heartbeat_interval_seconds": 0}},
        {"opamp": {"headers": {"two words": "x"}}},
        {"opamp": {"headers": {"X-A": "x\r\nX-B: y"}}},
        {"opamp": {"headers": {f"X-{number}": "" for number in range(MAX_HEADERS + 1)}}},
        {"opamp": {"tls": {"min_version": "SSLv3"}}},
        {"opamp": {"proxy": {"url": ""}}},
        {"opamp": {"certificate": {"cert": "x" * 65537}}},
        {"own_metrics": {}},
        {"own_metrics": {"destination_endpoint": "grpc://t.example.org"}},
        {"other_connections": {"": {}}},
        {"other_connections": {"s": {"other_settings": {"": "x"}}}},
        {"own_profiles": METRICS},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    """Addresses are addresses, headers are headers, heartbeats are never switched off."""
    with pytest.raises(ValidationError):
        ConnectionSettingsChange.model_validate({"settings": settings})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"opamp": {}},
        {"opamp": {"destination_endpoint": "wss://o.example.org/v1/opamp", "tls": {"min_version": "TLSv1.2"}}},
        {"own_metrics": METRICS, "own_traces": None},
        {"other_connections": {"statsd": {"destination_endpoint": "statsd:8125"}}},
    ],
)
def test_sound_settings_are_taken(settings: dict[str, Any]) -> None:
    """Whatever an agent may understand; what is left out is not decided here."""
    document = ConnectionSettingsChange.model_validate({"name": "x", "version": 3, "settings": settings})

    assert document.priority == 0
    assert document.selector == {}


def test_priorities_are_bounded() -> None:
    """As agent-state bounds them."""
    with pytest.raises(ValidationError):
        ConnectionSettingsChange.model_validate({"priority": 1_000_001, "settings": {}})
