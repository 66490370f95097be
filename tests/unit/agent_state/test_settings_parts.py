from __future__ import annotations

from agent_state.settings import Settings
from agent_state.settings_composer import Platform
from agent_state.settings_parts import platform_of

GIVEN = {"postgres_url": "postgresql://x", "nats_url": "nats://x"}


def test_platform_is_what_the_settings_say() -> None:
    """Its address, whom to trust for it, and how long polling agents may stay away."""
    settings = Settings.model_validate(
        {**GIVEN, "opamp_public_url": "wss://h/v1/opamp", "opamp_public_ca": "PEM", "silence_seconds": 90}
    )

    assert platform_of(settings) == Platform("wss://h/v1/opamp", "PEM", 45)


def test_platform_that_was_told_nothing_knows_nothing() -> None:
    """Then nothing is offered for the OpAMP connection."""
    assert platform_of(Settings.model_validate(GIVEN)) == Platform("", "", 30)
