"""`opampctl agents` as a person runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rest_double import RestDouble, Run

AGENT = "00000000-0000-7000-8000-000000000001"


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
