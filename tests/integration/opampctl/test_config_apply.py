"""From a file to the agents that run it: apply, push, status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from rest_double import RestDouble, Run

AGENT = "00000000-0000-7000-8000-000000000001"
MANIFEST = """kind: Configuration
name: edge
selector: {deployment.environment.name: prod, canary: true}
priority: 10
raw_config: |
  receivers: {}
"""


def test_apply_creates_then_updates_then_leaves_alone(opampctl: Run, api: RestDouble, tmp_path: Path) -> None:
    """A bare file is created under its name, changed with If-Match, and not sent again when nothing differs."""
    file = tmp_path / "edge.yaml"
    file.write_text("receivers: {}\n")
    words = ("config", "apply", "-f", str(file), "--selector", "env=prod", "-m", "because")

    created = opampctl(*words)
    file.write_text("receivers: {otlp: {}}\n")
    updated = opampctl(*words)
    unchanged = opampctl(*words)

    assert "edge created, version 1" in created.stdout
    assert "edge updated, version 2" in updated.stdout
    assert "+receivers: {otlp: {}}" in updated.stdout
    assert "edge unchanged, version 2" in unchanged.stdout
    assert api.versions["edge"][-1]["selector"] == {"env": "prod"}
    assert api.versions["edge"][-1]["change_description"] == "because"
    assert len(api.versions["edge"]) == 2


def test_what_get_writes_is_applied_without_change(opampctl: Run, api: RestDouble, tmp_path: Path) -> None:
    """`get -o yaml` and `apply -f` are a round trip; an edit between them is the only change."""
    api._version(
        "edge", {"raw_config": "receivers: {}\n", "selector": {"canary": "true"}, "priority": 7, "comment": "one"}
    )
    file = tmp_path / "f"
    file.write_text(opampctl("config", "get", "edge", "-o", "yaml").stdout)

    unchanged = opampctl("config", "apply", "-f", str(file))
    file.write_text(file.read_text().replace("receivers: {}", "receivers: {otlp: {}}"))
    updated = opampctl("config", "apply", "-f", str(file))

    assert "edge unchanged, version 1" in unchanged.stdout
    assert "edge updated, version 2" in updated.stdout
    assert api.versions["edge"][-1]["raw_config"] == "receivers: {otlp: {}}\n"
    assert api.versions["edge"][-1]["selector"] == {"canary": "true"}


def test_answer_of_the_api_is_not_applied(opampctl: Run, api: RestDouble, tmp_path: Path) -> None:
    """Neither under its own name nor over a live configuration."""
    api._version("edge", {"raw_config": "receivers: {}\n"})
    file = tmp_path / "edge.json"
    file.write_text(opampctl("config", "get", "edge", "-o", "json").stdout)

    result = opampctl("config", "apply", "-f", str(file))

    assert result.exit_code == 2
    assert "looks like a configuration as the API gives it" in result.stderr
    assert len(api.versions["edge"]) == 1


def test_apply_reads_manifests_with_several_configurations(opampctl: Run, api: RestDouble, tmp_path: Path) -> None:
    """A manifest says name, selector and priority; label values become text."""
    file = tmp_path / "fleet.yaml"
    file.write_text(MANIFEST + "---\n" + MANIFEST.replace("name: edge", "name: core"))

    result = opampctl("config", "apply", "-f", str(file), "-o", "json")

    assert [item["action"] for item in json.loads(result.stdout)["configurations"]] == ["created", "created"]
    assert api.versions["core"][0]["selector"] == {"deployment.environment.name": "prod", "canary": "true"}
    assert api.versions["edge"][0]["raw_config"] == "receivers: {}\n"


def test_dry_run_stores_nothing(opampctl: Run, api: RestDouble) -> None:
    """A dry run asks the API to check only, and says so."""
    result = opampctl("config", "apply", "-f", "-", "--name", "edge", "--dry-run", stdin="receivers: {}\n")

    assert "edge created, version 1 (dry run, nothing stored)" in result.stdout
    assert not api.versions


def test_invalid_configuration_names_the_line(opampctl: Run) -> None:
    """The place of a fault, as the API found it, is shown."""
    result = opampctl("config", "apply", "-f", "-", "--name", "edge", stdin=": broken\n")

    assert result.exit_code == 1
    assert "raw_config line 1, column 1: not a mapping" in result.stderr


def test_concurrent_edit_is_exit_6(opampctl: Run, api: RestDouble, tmp_path: Path) -> None:
    """When somebody else was faster, nothing is overwritten."""
    file = tmp_path / "edge.yaml"
    file.write_text("receivers: {}\n")
    opampctl("config", "apply", "-f", str(file))
    file.write_text("receivers: {otlp: {}}\n")
    api.broken["/api/v1/configurations"] = (500, "unused")
    original = api._configurations

    def racing(rest: list[str], call: object) -> object:
        answer = original(rest, call)  # type: ignore[arg-type]
        if getattr(call, "method", "") == "GET":
            api._version("edge", {"raw_config": "other: {}\n"})
        return answer

    api._configurations = racing  # type: ignore[method-assign, assignment]
    result = opampctl("config", "apply", "-f", str(file))

    assert result.exit_code == 6
    assert "changed" in result.stderr
    assert api.versions["edge"][-1]["raw_config"] == "other: {}\n"


def test_push_tells_who_was_not_reached(opampctl: Run, api: RestDouble) -> None:
    """A push that failed for some names them and ends with 8."""
    api._version("edge", {"raw_config": "a: 1\n"})
    api.push_result = {
        "affected_agents": ["a"],
        "failed_agents": ["b"],
        "total": 2,
        "failed": 1,
        "failures": [{"agent_id": "b", "reason": "not connected"}],
    }

    result = opampctl("config", "push", "edge", "--agent", "prod-00001", "--agent", AGENT)

    assert result.exit_code == 8
    assert "offered to 1 of 2" in result.stdout
    assert "b: not connected" in result.stderr
    assert api.calls[-1].body == {"agent_ids": [AGENT, AGENT]}


def test_status_watch_ends_when_nothing_is_under_way(
    opampctl: Run, api: RestDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--watch shows each change and ends once every agent has an outcome; failures give 8."""
    monkeypatch.setattr("opampctl.commands.shared.WATCH_SECONDS", 0.01)
    api._version("edge", {"raw_config": "a: 1\n"})
    api.statuses = [
        {"name": "edge", "desired": 2, "connected": 2, "state_counts": {"applying": 2}},
        {"name": "edge", "desired": 2, "connected": 2, "state_counts": {"applied": 1, "failed": 1}},
    ]

    result = opampctl("config", "status", "edge", "--watch")

    assert result.exit_code == 8
    assert "applying" in result.stdout
    assert "failed" in result.stdout
