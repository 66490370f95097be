"""Agents, configurations and tokens on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

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


def test_agents_are_listed_as_table_and_json(opampctl: Run) -> None:
    """The table names every agent; JSON holds what the API said, without colour."""
    table = opampctl("agents", "list")
    data = json.loads(opampctl("agents", "list", "-o", "json").stdout)

    assert "edge-prod-00002" in table.stdout
    assert "\x1b" not in table.stdout
    assert [agent["id"][-1] for agent in data["agents"]] == ["1", "2", "3"]


def test_list_filters_are_sent(opampctl: Run, api: RestDouble) -> None:
    """Filters become the query parameters of the API."""
    opampctl(
        "agents", "list", "--status", "error", "--status", "offline", "-l", "a.b=c", "--search", "x", "--sort", "-name"
    )

    call = api.calls[-1]
    assert call.values("status") == ["error", "offline"]
    assert call.values("label.a.b") == ["c"]
    assert call.values("search") == ["x"]
    assert call.values("sort") == ["-name"]


def test_all_follows_the_cursor(opampctl: Run, api: RestDouble) -> None:
    """--all reads page after page; --limit stops in time."""
    api.agents = [{**api.agents[0], "id": f"{number:032x}"} for number in range(1200)]

    everything = json.loads(opampctl("agents", "list", "--all", "-o", "json").stdout)["agents"]
    some = json.loads(opampctl("agents", "list", "--limit", "700", "-o", "json").stdout)["agents"]

    assert len({agent["id"] for agent in everything}) == 1200
    assert len(some) == 700


def test_an_agent_may_be_named_by_a_part(opampctl: Run) -> None:
    """A part of the host name that fits one agent is enough; one that fits several lists them."""
    one = opampctl("agents", "get", "prod-00002", "-o", "yaml")
    several = opampctl("agents", "get", "prod")
    none = opampctl("agents", "get", "nowhere")

    assert yaml.safe_load(one.stdout)["hostname"] == "edge-prod-00002"
    assert several.exit_code == 6
    assert "edge-prod-00003" in several.stderr
    assert none.exit_code == 5


def test_unknown_agent_is_exit_5(opampctl: Run) -> None:
    """An id nobody has is told in the API's words."""
    result = opampctl("agents", "get", "ffffffff-0000-7000-8000-000000000001")

    assert result.exit_code == 5
    assert "there is no such agent" in result.stderr


def test_delete_asks_first(opampctl: Run, api: RestDouble) -> None:
    """Without a yes nothing is deleted."""
    assert opampctl("agents", "delete", AGENT, stdin="n\n").exit_code == 1
    assert len(api.agents) == 3

    assert opampctl("agents", "delete", AGENT, "--yes").exit_code == 0
    assert len(api.agents) == 2


@pytest.mark.parametrize("words", [("history", AGENT), ("apply-history", AGENT), ("config", AGENT), ("get", AGENT)])
def test_agent_views_print(opampctl: Run, api: RestDouble, words: tuple[str, ...]) -> None:
    """Every view of an agent prints something in every shape."""
    api.histories = [{"id": 1, "status": "applied", "duration_seconds": 61.0, "connected_at": "2026-11-20T10:00:00Z"}]
    for shape in ("table", "json", "yaml"):
        result = opampctl("agents", *words, "-o", shape)
        assert result.exit_code == 0, result.output
        assert result.stdout


def test_effective_configuration_prints_bare(opampctl: Run) -> None:
    """--effective prints the file as the agent runs it, its name on stderr."""
    result = opampctl("agents", "config", AGENT, "--effective")

    assert result.stdout == "a: 1\n\n"
    assert "config.yaml" in result.stderr


def test_assign_and_unassign(opampctl: Run, api: RestDouble) -> None:
    """An assignment is put, and taken back when no configuration is named."""
    assert opampctl("agents", "assign", AGENT, "canary").exit_code == 0
    assert api.calls[-1].body == {"configuration_name": "canary"}
    assert opampctl("agents", "assign", AGENT).exit_code == 0
    assert api.calls[-1].method == "DELETE"
    assert opampctl("agents", "retry", AGENT).exit_code == 0
    assert opampctl("agents", "summary").exit_code == 0


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


def test_config_views(opampctl: Run, api: RestDouble) -> None:
    """List, get, one version, raw, history and apply history print in every shape."""
    api._version("edge", {"raw_config": "a: 1\n"})
    api._version("edge", {"raw_config": "a: 2\n"})
    api.histories = [{"id": 1, "agent_id": AGENT, "status": "failed", "error_message": "[boom]"}]
    for words in (("list",), ("get", "edge"), ("history", "edge"), ("apply-history", "edge", "--status", "failed")):
        for shape in ("table", "json", "yaml"):
            assert opampctl("config", *words, "-o", shape).exit_code == 0
    assert opampctl("config", "get", "edge", "--raw").stdout == "a: 2\n"
    assert opampctl("config", "get", "edge", "--version", "1", "--raw").stdout == "a: 1\n"
    assert "[boom]" in opampctl("config", "apply-history", "edge").stdout
    assert opampctl("config", "get", "edge", "--version", "9").exit_code == 5


def test_diff_between_versions_and_with_a_file(opampctl: Run, api: RestDouble, tmp_path: Path) -> None:
    """A difference is printed and ends with 1; none ends with 0."""
    api._version("edge", {"raw_config": "a: 1\n"})
    api._version("edge", {"raw_config": "a: 2\n"})
    file = tmp_path / "edge.yaml"
    file.write_text("a: 2\n")

    newest = opampctl("config", "diff", "edge")
    same = opampctl("config", "diff", "edge", "--from", "2", "--to", "2")

    assert newest.exit_code == 1
    assert "-a: 1" in newest.stdout
    assert "+a: 2" in newest.stdout
    assert same.exit_code == 0
    file.write_text("a: 3\n")
    assert "+a: 3" in opampctl("config", "diff", "edge", "-f", str(file)).stdout


def test_rollback_and_delete(opampctl: Run, api: RestDouble) -> None:
    """A rollback makes a version; a delete removes them all after a yes."""
    api._version("edge", {"raw_config": "a: 1\n"})
    api._version("edge", {"raw_config": "a: 2\n"})

    assert "version 3" in opampctl("config", "rollback", "edge", "1", "-m", "oops").stderr
    assert api.versions["edge"][-1]["raw_config"] == "a: 1\n"
    assert opampctl("config", "delete", "edge", "-y").exit_code == 0
    assert not api.versions


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


def test_tokens_are_made_listed_and_revoked(opampctl: Run, api: RestDouble) -> None:
    """The secret of a token is alone on stdout, once."""
    made = opampctl("tokens", "create", "edge-sites", "--lifetime", "30d")

    assert made.stdout == "oet_t1_secret\n"
    assert api.calls[-1].body == {"name": "edge-sites", "lifetime_seconds": 30 * 86400}
    assert "edge-sites" in opampctl("tokens", "list").stdout
    assert opampctl("tokens", "revoke", "t1").exit_code == 0
    assert opampctl("tokens", "revoke", "t1").exit_code == 5


@pytest.mark.parametrize(("status", "code"), [(403, 4), (404, 5), (409, 6), (429, 7), (500, 1), (503, 7)])
def test_problems_become_exit_codes(opampctl: Run, api: RestDouble, status: int, code: int) -> None:
    """Each kind of refusal has its exit code, and the API's sentence is shown."""
    api.broken["/api/v1/agents"] = (status, "the reason")

    result = opampctl("agents", "list")

    assert result.exit_code == code
    assert "the reason" in result.stderr


@pytest.mark.parametrize(
    "words", [(), ("agents",), ("config",), ("tokens",), ("config", "apply"), ("simulate",), ("login",)]
)
def test_help_everywhere(anonymous: Run, words: tuple[str, ...]) -> None:
    """Every group and command explains itself."""
    result = anonymous(*words, "--help")

    assert result.exit_code == 0
    assert "Usage" in result.stdout
