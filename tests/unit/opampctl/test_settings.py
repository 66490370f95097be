"""What the environment says."""

from __future__ import annotations

from pathlib import Path

import pytest

from opampctl.settings import read_settings


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable lands in its field; an empty one counts as absent."""
    monkeypatch.setenv("OPAMPCTL_URL", "http://x")
    monkeypatch.setenv("OPAMPCTL_TOKEN", "")
    monkeypatch.delenv("OPAMPCTL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")

    settings = read_settings()

    assert settings.url == "http://x"
    assert settings.token is None
    assert settings.config_file == Path("/somewhere/opampctl/config.json")


def test_home_is_the_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without other wishes contexts live under ~/.config."""
    monkeypatch.delenv("OPAMPCTL_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")

    assert read_settings().config_file == Path("/home/me/.config/opampctl/config.json")
