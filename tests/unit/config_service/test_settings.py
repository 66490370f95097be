from __future__ import annotations

from datetime import timedelta

import pytest

from config_service.app import policy_of
from config_service.settings import ConfigServiceSettings
from servicekit.settings import SettingsError, read

URL = {"CONFIG_SERVICE_POSTGRES_URL": "postgresql://u:secret@h/d"}


def test_secrets_are_not_shown() -> None:
    """Neither database nor bus nor cache tell their passwords."""
    assert "secret" not in repr(read(ConfigServiceSettings, URL))


def test_fallback_needs_a_name() -> None:
    """A policy that cannot work is refused at the start; a name alone does nothing."""
    with pytest.raises(SettingsError, match="FALLBACK_CONFIGURATION"):
        read(ConfigServiceSettings, {**URL, "CONFIG_SERVICE_NO_MATCH_POLICY": "fallback"})

    named = {**URL, "CONFIG_SERVICE_FALLBACK_CONFIGURATION": "safe"}
    assert read(ConfigServiceSettings, named).fallback == ""
    assert read(ConfigServiceSettings, {**named, "CONFIG_SERVICE_NO_MATCH_POLICY": "fallback"}).fallback == "safe"


def test_sweep_is_never_slower_than_a_minute() -> None:
    """Law two: repeated until they agree, within 60 seconds."""
    for name in ("SWEEP_INTERVAL_SECONDS", "LEVEL_INTERVAL_SECONDS"):
        with pytest.raises(SettingsError, match=name):
            read(ConfigServiceSettings, {**URL, f"CONFIG_SERVICE_{name}": "61"})


def test_patience_comes_from_settings() -> None:
    """Every pause of the machine can be set."""
    settings = read(
        ConfigServiceSettings, {**URL, "CONFIG_SERVICE_SOAK_SECONDS": "7", "CONFIG_SERVICE_MAX_TIMEOUTS": "2"}
    )

    assert policy_of(settings).soak == timedelta(seconds=7)
    assert policy_of(settings).max_timeouts == 2
