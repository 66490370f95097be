from __future__ import annotations

from pathlib import Path

import pytest

from agent_state.settings import Settings
from servicekit.settings import SettingsError, describe, read

URL = "postgresql://agent_state:hush@127.0.0.1/fleet"


def test_only_the_database_must_be_told() -> None:
    """Everything else has a default; the thresholds are those of the design."""
    settings = read(Settings, {"AGENT_STATE_POSTGRES_URL": URL})

    assert (settings.gateway_lease_seconds, settings.silence_seconds, settings.sweep_seconds) == (10, 60, 30)
    assert settings.connection_retention_days == 90


def test_faults_are_told_together() -> None:
    """Every wrong variable is named at once."""
    with pytest.raises(SettingsError) as caught:
        read(Settings, {"AGENT_STATE_SILENCE_SECONDS": "0", "AGENT_STATE_FUSE_FRACTION": "2", "AGENT_STATE_TYPO": "1"})

    for name in ("POSTGRES_URL", "SILENCE_SECONDS", "FUSE_FRACTION", "TYPO"):
        assert f"AGENT_STATE_{name}" in str(caught.value)


def test_password_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    """Secrets are mounted as files and masked in print."""
    (tmp_path / "url").write_text(URL + "\n")

    settings = read(Settings, {"AGENT_STATE_POSTGRES_URL_FILE": str(tmp_path / "url")})

    assert settings.postgres_url.get_secret_value() == URL
    assert all("hush" not in value for _, value, _ in describe(settings))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"AGENT_STATE_CREDENTIAL_KEY": "short"}, "AGENT_STATE_CREDENTIAL_KEY: .*32 characters"),
        ({"AGENT_STATE_CA_KEY": "pem"}, "CA_KEY and CA_CERTIFICATE belong together"),
    ],
)
def test_half_a_secret_is_refused(given: dict[str, str], words: str) -> None:
    """A key that can be guessed, or a CA without its certificate, is seen at start."""
    with pytest.raises(SettingsError, match=words):
        read(Settings, {"AGENT_STATE_POSTGRES_URL": URL, **given})


def test_keys_are_never_shown() -> None:
    """Whoever sees the settings in effect learns no agent's secret."""
    settings = read(Settings, {"AGENT_STATE_POSTGRES_URL": URL, "AGENT_STATE_CREDENTIAL_KEY": "hush" * 8})

    assert all("hush" not in value for _, value, _ in describe(settings))
