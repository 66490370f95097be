"""opampctl as a person runs it, against an API in the same test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rest_double import PASSWORD, RestDouble, Run, rest_double
from typer.testing import CliRunner, Result

from opampctl.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def api() -> Iterator[RestDouble]:
    """Give an API with three agents and no login."""
    with rest_double() as double:
        double.agents = [
            {
                "id": f"00000000-0000-7000-8000-00000000000{number}",
                "name": "edge-collector",
                "hostname": f"edge-prod-0000{number}",
                "version": "0.141.0",
                "status": "online",
                "config_state": "applied",
                "configuration_name": "edge",
                "last_seen_at": "2026-11-20T10:00:00Z",
                "labels": {"team": "platform"},
                "configuration": {"configuration_name": "edge", "version": 2, "reason": "selector", "state": "applied"},
                "effective_config": {"config_map": {"config.yaml": {"content_type": "text/yaml", "body": "a: 1\n"}}},
            }
            for number in range(1, 4)
        ]
        yield double


@pytest.fixture
def anonymous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give opampctl with an empty home."""
    for name in ("URL", "TOKEN", "CONTEXT", "PASSWORD", "ENROLMENT_TOKEN", "ENDPOINT"):
        monkeypatch.delenv(f"OPAMPCTL_{name}", raising=False)
    monkeypatch.setenv("OPAMPCTL_CONFIG", str(tmp_path / "home" / "config.json"))
    runner = CliRunner()

    def run(*words: str, stdin: str | None = None) -> Result:
        return runner.invoke(app, list(words), input=stdin)

    return run


@pytest.fixture
def opampctl(anonymous: Run, api: RestDouble) -> Run:
    """Give opampctl, logged in."""
    result = anonymous("login", "--url", api.url, "--username", "admin", "--password-stdin", stdin=PASSWORD + "\n")
    assert result.exit_code == 0, result.output
    return anonymous
