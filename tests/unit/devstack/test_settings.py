from __future__ import annotations

from pathlib import Path

import pytest

from devstack.errors import StackError
from devstack.settings import StackSettings, load

VARIABLES = (
    "PORT_BASE",
    "GATEWAYS",
    "FLEET_DATA",
    "FLEET_POSTGRES_URL",
    "FLEET_NATS_URL",
    "FLEET_REDIS_URL",
    "FLEET_S3_ENDPOINT",
    "FLEET_S3_ACCESS_KEY",
    "FLEET_S3_SECRET_KEY",
)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_without_settings_the_data_lies_in_the_project() -> None:
    """`make run` needs no setting at all."""
    settings = load()

    assert settings.data == Path(".data").resolve()
    assert settings.ports.api == 8080
    assert settings.postgres_url is None


def test_moved_ports_move_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stacks side by side never share a data folder by accident."""
    monkeypatch.setenv("PORT_BASE", "9000")

    assert load().data == Path(".data/9000").resolve()


def test_a_named_data_folder_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """FLEET_DATA is where the data lies, whatever the ports are."""
    monkeypatch.setenv("PORT_BASE", "9000")
    monkeypatch.setenv("FLEET_DATA", str(tmp_path))

    assert load().data == tmp_path


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make run PORT_BASE=` means the default."""
    monkeypatch.setenv("PORT_BASE", "")

    assert load().port_base is None


def test_every_fault_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both bad variables are told at once."""
    monkeypatch.setenv("PORT_BASE", "nine")
    monkeypatch.setenv("GATEWAYS", "0")

    with pytest.raises(StackError, match=r"PORT_BASE: .*; GATEWAYS: ") as caught:
        load()

    assert "\n" not in str(caught.value)


def test_addresses_are_not_printed() -> None:
    """A server's address holds a password."""
    settings = StackSettings.model_validate({"FLEET_NATS_URL": "nats://u:hidden@h"})

    assert "hidden" not in repr(settings)
