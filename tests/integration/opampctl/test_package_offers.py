"""Offers of packages on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rest_double import Refused

from opampctl.exits import Exit

if TYPE_CHECKING:
    from rest_double import RestDouble, Run

UID = "00000000-0000-7000-8000-000000000001"
OFFER = {
    "id": "a1",
    "name": "collector",
    "package": "collector",
    "channel": "stable",
    "version": "latest",
    "selector": {"env": "prod"},
    "groups": ["canary"],
    "agents": [UID],
    "priority": 0,
    "enabled": True,
    "revision": 7,
    "created_by": "ann",
    "created_at": "2026-11-20T10:00:00Z",
    "updated_by": "ann",
    "updated_at": "2026-11-20T10:00:00Z",
    "states": {"installed": 3, "failed": 1},
}
NONE: dict[str, Any] = {"package_assignments": [], "total": 0, "next_cursor": None}
ONE = {"package_assignments": [OFFER], "total": 1, "next_cursor": None}
FAILED = {
    "agent_id": UID,
    "package": "collector",
    "version": "2.0.0",
    "state": "failed",
    "percent": 0.0,
    "error_message": "no room",
    "reported_version": "1.0.0",
    "since": "2026-11-20T10:00:00Z",
}


def test_new_offer_is_made(opampctl: Run, api: RestDouble) -> None:
    """Named after its package unless said otherwise; agents may be named by a part of their name."""
    api.answers = {"GET /package-assignments": NONE, "POST /package-assignments": OFFER}
    words = ("--version", "latest-1", "-l", "env=prod", "--group", "canary", "--agent", UID, "--priority", "5")

    result = opampctl("packages", "offer", "collector", *words)

    assert result.exit_code == 0, result.output
    assert "is offered to env=prod or groups canary or 1 named agent (collector)" in " ".join(result.stderr.split())
    assert api.calls[-1].body == {
        "name": "collector",
        "package": "collector",
        "version": "latest-1",
        "priority": 5,
        "selector": {"env": "prod"},
        "groups": ["canary"],
        "agents": [UID],
    }


def test_known_offer_is_changed(opampctl: Run, api: RestDouble) -> None:
    """Only in what was given, and only if nobody else was faster; never to another package."""
    api.answers = {"GET /package-assignments": ONE, "PATCH /package-assignments/a1": {**OFFER, "version": "1.0.0"}}

    result = opampctl("packages", "offer", "collector", "--version", "1.0.0", "--disabled", "-o", "json")
    other = opampctl("packages", "offer", "exporter", "--name", "collector")

    assert json.loads(result.stdout)["version"] == "1.0.0"
    patch = next(call for call in api.calls if call.method == "PATCH")
    assert (patch.body, patch.headers["if-match"]) == ({"version": "1.0.0", "enabled": False}, '"7"')
    assert other.exit_code == 6
    assert "is of collector, not of exporter" in " ".join(other.stderr.split())


def test_offers_are_listed(opampctl: Run, api: RestDouble) -> None:
    """With how far their agents are; none says what to do."""
    off = {**OFFER, "name": "old", "enabled": False, "selector": {}, "groups": [], "agents": []}
    api.answers = {"GET /package-assignments": {**ONE, "package_assignments": [OFFER, off]}}

    shown = opampctl("packages", "offers", "--package", "collector")
    data = opampctl("packages", "offers", "-o", "json")
    api.answers = {"GET /package-assignments": NONE}
    none = opampctl("packages", "offers")

    assert all(word in shown.stdout for word in ("1 failed, 3 installed", "disabled", "nobody", "env=prod"))
    asked = next(call for call in api.calls if call.path.endswith("/package-assignments"))
    assert asked.values("package") == ["collector"]
    assert [each["name"] for each in json.loads(data.stdout)["package_assignments"]] == ["collector", "old"]
    assert "opampctl packages offer" in none.stderr


def test_offer_is_taken_back(opampctl: Run, api: RestDouble) -> None:
    """After asking; one nobody knows is not found."""
    api.answers = {"GET /package-assignments": ONE, "DELETE /package-assignments/a1": {"message": "deleted"}}

    assert opampctl("packages", "unoffer", "collector", stdin="n\n").exit_code != 0
    assert api.paths("DELETE") == []
    assert "taken back" in opampctl("packages", "unoffer", "collector", "--yes").stderr
    assert api.paths("DELETE") == ["/api/v1/package-assignments/a1"]
    assert opampctl("packages", "unoffer", "nothing", "--yes").exit_code == 5


def test_status_of_an_offer_and_of_an_agent(opampctl: Run, api: RestDouble) -> None:
    """Agents by how far they are; watching ends when nothing more comes by itself."""
    loading = {**FAILED, "state": "downloading", "percent": 42.0, "version": "", "reported_version": ""}
    api.answers = {
        "GET /package-assignments": ONE,
        "GET /package-assignments/a1/agents": {"agents": [FAILED, loading], "total": 2, "next_cursor": None},
        f"GET /agents/{UID}/packages": {"packages": [FAILED]},
    }

    shown = opampctl("packages", "status", "collector", "--state", "failed", "--state", "downloading")
    asked = api.calls[-1]
    agent = opampctl("packages", "status", "--agent", UID, "--watch", "-o", "json")

    assert all(word in shown.stdout for word in ("no room", "downloading 42 %", "2.0.0"))
    assert asked.values("state") == ["failed", "downloading"]
    assert json.loads(agent.stdout)["agents"][0]["state"] == "failed"


@pytest.mark.parametrize("words", [(), ("collector", "--agent", UID)])
def test_status_is_of_one_thing(opampctl: Run, words: tuple[str, ...]) -> None:
    """An offer or an agent, not both and not neither."""
    assert opampctl("packages", "status", *words).exit_code == 2


def test_retry_where_it_failed(opampctl: Run, api: RestDouble) -> None:
    """On all of them, or on those that are named."""
    api.answers = {
        "GET /package-assignments": ONE,
        "GET /package-assignments/a1/agents": {"agents": [FAILED], "total": 1, "next_cursor": None},
        f"POST /agents/{UID}/packages/collector/retry": FAILED,
    }

    everywhere = opampctl("packages", "retry", "collector")
    named = opampctl("packages", "retry", "collector", "--agent", UID)

    assert "tried again on 1 agent." in everywhere.stderr
    assert "tried again on 1 agent." in named.stderr
    assert api.paths("POST")[-2:] == [f"/api/v1/agents/{UID}/packages/collector/retry"] * 2


def test_agents_on_which_nothing_failed_are_left_alone_and_counted(opampctl: Run, api: RestDouble) -> None:
    """Of several the others go on; asked for one alone, the platform's sentence is the answer."""
    other = f"{UID[:-1]}2"
    sentence = "collector is installed on this agent and nothing of it has failed: there is nothing to retry"
    api.answers = {
        "GET /package-assignments": ONE,
        f"POST /agents/{UID}/packages/collector/retry": Refused(409, sentence),
        f"POST /agents/{other}/packages/collector/retry": FAILED,
    }

    both = opampctl("packages", "retry", "collector", "--agent", UID, "--agent", other)
    alone = opampctl("packages", "retry", "collector", "--agent", UID)

    assert both.exit_code == 0, both.output
    assert "tried again on 1 agent." in both.stderr
    assert "On 1 agent nothing of it has failed." in both.stderr
    assert alone.exit_code == Exit.CONFLICT
    assert "there is nothing to retry" in " ".join(alone.stderr.split())
