from __future__ import annotations

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from agent_state.certificates import create_authority
from agent_state.identity_parts import registry_of
from agent_state.settings import Settings

URL = "postgresql://agent_state:hush@127.0.0.1/fleet"


def test_without_key_and_authority_nothing_is_issued() -> None:
    """What settings leave out is off."""
    registry = registry_of(Settings.model_validate({"postgres_url": URL}))

    assert not registry.offers.can_issue
    assert registry.signer is None


def test_key_and_authority_come_from_settings() -> None:
    """Both are used as they are given."""
    key, certificate = create_authority(datetime.now(UTC))
    settings = Settings.model_validate(
        {
            "postgres_url": URL,
            "credential_key": "k" * 32,
            "ca_key": key.decode(),
            "ca_certificate": certificate.decode(),
        }
    )

    registry = registry_of(settings)

    assert registry.offers.can_issue
    assert registry.signer is not None
    assert registry.signer.certificates_pem == certificate


def test_credentials_nobody_could_be_offered_are_warned_of() -> None:
    """Every offer names where agents reach the gateways; who sets a key and not that is told at start."""
    given = {"postgres_url": URL, "credential_key": "k" * 32}
    with capture_logs() as logs:
        registry_of(Settings.model_validate(given))
        registry_of(Settings.model_validate({**given, "opamp_public_url": "wss://opamp.example.org/v1/opamp"}))

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("credentials_not_offered", "warning")]


def test_an_authority_that_does_not_fit_stops_the_start() -> None:
    """Not the first agent that asks."""
    settings = Settings.model_validate(
        {
            "postgres_url": URL,
            "ca_key": create_authority(datetime.now(UTC))[0].decode(),
            "ca_certificate": create_authority(datetime.now(UTC))[1].decode(),
        }
    )

    with pytest.raises(ValueError, match="not that of its key"):
        registry_of(settings)
