"""Connection settings and the CA on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from rest_double import RestDouble, Run

FOUND = {
    "name": "edge",
    "selector": {"env": "prod"},
    "priority": 10,
    "settings": {
        "opamp": None,
        "own_metrics": {
            "destination_endpoint": "https://t/v1/metrics",
            "headers": {"X-Key": "[REDACTED]"},
            "tls": None,
            "proxy": None,
            "certificate": None,
        },
        "own_traces": None,
        "own_logs": None,
        "other_connections": {},
    },
    "version": 3,
    "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-20T10:00:00Z",
    "author": "admin",
}
MANIFEST = """
kind: ConnectionSettings
name: edge
selector: {env: prod}
priority: 10
settings:
  own_metrics:
    destination_endpoint: https://t/v1/metrics
---
kind: ConnectionSettings
name: everywhere
settings:
  opamp: {heartbeat_interval_seconds: 15}
"""


def test_settings_are_listed(opampctl: Run, api: RestDouble) -> None:
    """What each sets, for whom."""
    everywhere = {**FOUND, "name": "everywhere", "selector": {}}
    api.answers["GET /connection-settings"] = {"connection_settings": [FOUND, everywhere], "next_cursor": None}

    table = opampctl("settings", "list").stdout
    data = json.loads(opampctl("settings", "list", "--all", "-o", "json").stdout)

    assert "env=prod" in table
    assert "every agent" in table
    assert "own_metrics" in table
    assert data["connection_settings"][0] == FOUND


def test_settings_are_shown_as_a_file_that_can_be_applied(opampctl: Run, api: RestDouble) -> None:
    """Only what is decided stands in it; JSON is the API's own."""
    api.answers["GET /connection-settings/edge"] = FOUND
    api.answers["PUT /connection-settings/edge"] = FOUND

    text = opampctl("settings", "get", "edge").stdout
    data = json.loads(opampctl("settings", "get", "edge", "-o", "json").stdout)
    applied = opampctl("settings", "apply", "-f", "-", stdin=text)

    manifest = yaml.safe_load(text)
    assert manifest["kind"] == "ConnectionSettings"
    assert list(manifest["settings"]) == ["own_metrics"]
    assert data == FOUND
    assert applied.exit_code == 0, applied.output
    assert api.calls[-1].body == {key: manifest[key] for key in ("selector", "priority", "settings")}


def test_several_are_applied_from_one_file(opampctl: Run, api: RestDouble, tmp_path: Path) -> None:
    """In their order; the versions are told."""
    api.answers["PUT /connection-settings/edge"] = FOUND
    api.answers["PUT /connection-settings/everywhere"] = {**FOUND, "name": "everywhere"}
    file = tmp_path / "settings.yaml"
    file.write_text(MANIFEST)

    told = opampctl("settings", "apply", "-f", str(file))
    data = opampctl("settings", "apply", "-f", str(file), "-o", "json")

    assert "edge are at version 3" in told.stderr
    assert [each["name"] for each in json.loads(data.stdout)["connection_settings"]] == ["edge", "everywhere"]
    assert api.calls[-1].body == {"settings": {"opamp": {"heartbeat_interval_seconds": 15}}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is not YAML"),
        ("", "is empty"),
        ("kind: Configuration\nname: x\n", "kind: ConnectionSettings"),
        ("- kind: ConnectionSettings\n", "kind: ConnectionSettings"),
        ("kind: ConnectionSettings\nname: x\n", "needs `settings`"),
        ("kind: ConnectionSettings\nname: x\nsettings: {}\nselecter: {}\n", "does not know selecter"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(opampctl: Run, text: str, said: str) -> None:
    """Before anything is sent."""
    result = opampctl("settings", "apply", "-f", "-", stdin=text)

    assert result.exit_code == 2
    assert said in result.stderr


def test_a_file_that_is_not_there_is_told(opampctl: Run, tmp_path: Path) -> None:
    """With its name."""
    result = opampctl("settings", "apply", "-f", str(tmp_path / "none.yaml"))

    assert (result.exit_code, "none.yaml" in result.stderr) == (2, True)


def test_settings_are_deleted(opampctl: Run, api: RestDouble) -> None:
    """After a question, unless --yes."""
    api.answers["DELETE /connection-settings/edge"] = {"message": "connection settings deleted"}

    assert opampctl("settings", "delete", "edge", stdin="n\n").exit_code == 1
    assert opampctl("settings", "delete", "edge", "--yes").exit_code == 0
    assert api.paths("DELETE") == ["/api/v1/connection-settings/edge"]


def test_the_authority_is_printed_for_a_file(opampctl: Run, api: RestDouble) -> None:
    """PEM alone on stdout; without one, a sentence on stderr."""
    api.answers["GET /certificate-authority"] = {"certificates_pem": "-----BEGIN CERTIFICATE-----\nA\n"}
    shown = opampctl("ca", "show")
    data = opampctl("ca", "show", "-o", "json")
    api.answers["GET /certificate-authority"] = {"certificates_pem": ""}
    off = opampctl("ca", "show")

    assert shown.stdout == "-----BEGIN CERTIFICATE-----\nA\n"
    assert json.loads(data.stdout)["certificates_pem"].startswith("-----BEGIN")
    assert (off.stdout, "issues no certificates" in off.stderr) == ("", True)
