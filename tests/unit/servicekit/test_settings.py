from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from servicekit.settings import ServiceSettings, SettingsError, describe, load, read


class DoorSettings(ServiceSettings):
    """Settings of a made-up service."""

    model_config = SettingsConfigDict(env_prefix="DOOR_")

    port: int = Field(4320, ge=1, le=65535, description="Where to listen.")
    secret: SecretStr = Field(SecretStr("none"), description="A secret.")
    hosts: tuple[str, ...] = Field((), description="Several.")


def test_values_come_from_the_environment() -> None:
    """Each variable with the prefix sets its field; others are ignored; lists are split at commas."""
    settings = read(DoorSettings, {"DOOR_PORT": "99", "OTHER": "x", "DOOR_HOSTS": "a, b", "DOOR_LOG_LEVEL": "debug"})
    assert (settings.port, settings.hosts, settings.log_level) == (99, ("a", "b"), "debug")


def test_lists_work_from_the_real_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process reads `a,b` as two values, not as JSON that does not parse."""
    monkeypatch.setenv("DOOR_HOSTS", "a,b")
    monkeypatch.setenv("DOOR_PORT", "99")

    settings = load(DoorSettings)

    assert (settings.hosts, settings.port) == (("a", "b"), 99)


def test_every_fault_is_told_at_once() -> None:
    """Bad value, unknown name and unreadable file stand together in one error."""
    with pytest.raises(SettingsError) as caught:
        read(DoorSettings, {"DOOR_PORT": "no", "DOOR_PROT": "1", "DOOR_SECRET_FILE": "/nowhere/at/all"})
    text = str(caught.value)
    assert "DOOR_PORT:" in text
    assert "DOOR_PROT: no such setting" in text
    assert "DOOR_SECRET_FILE: cannot read /nowhere/at/all" in text


def test_a_secret_can_lie_in_a_file(tmp_path: Path) -> None:
    """<NAME>_FILE reads the value from a file, without its line end."""
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    settings = read(DoorSettings, {"DOOR_SECRET_FILE": str(path)})
    assert settings.secret.get_secret_value() == "s3cret"


def test_secrets_never_show() -> None:
    """Neither printing the settings nor describing them nor a fault shows a secret."""
    settings = read(DoorSettings, {"DOOR_SECRET": "s3cret"})
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(describe(settings))
    with pytest.raises(SettingsError) as caught:
        read(DoorSettings, {"DOOR_PORT": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_settings_cannot_change_afterwards() -> None:
    """A settings value is frozen."""
    settings = read(DoorSettings, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc] # on purpose


def test_loading_ends_the_process_with_a_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process with bad settings ends with status 2 and says why."""
    monkeypatch.setenv("DOOR_PORT", "70000")
    with pytest.raises(SystemExit) as caught:
        load(DoorSettings)
    assert caught.value.code == 2
    assert "DOOR_PORT" in capsys.readouterr().err


def test_every_field_has_its_sentence() -> None:
    """The description of each field is there for docs/settings.md."""
    assert all(sentence for _, _, sentence in describe(read(DoorSettings, {})))
