"""Configurations and their versions on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rest_double import RestDouble, Run

AGENT = "00000000-0000-7000-8000-000000000001"


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
