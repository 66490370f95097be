"""Campaigns on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from opampctl.commands import campaigns, shared

if TYPE_CHECKING:
    from rest_double import RestDouble, Run

ID = "00000000-0000-4000-8000-00000000000c"
CAMPAIGN: dict[str, Any] = {
    "id": ID,
    "name": "collector-to-1.5.0",
    "assignment_id": "a1",
    "package": "collector",
    "from_version": "1.4.2",
    "to_version": "1.5.0",
    "stages": [{"percent": None, "selector": {"ring": "canary"}}, {"percent": 100, "selector": None}],
    "max_in_flight": 50,
    "watch_seconds": 300,
    "timeout_seconds": 3600,
    "failure_threshold": {"percent": 5, "count": None},
    "window": {"time_zone": "Europe/Berlin", "days": ["mon"], "from": "22:00", "to": "04:00"},
    "rollback": True,
    "state": "draft",
    "reason": "",
    "stage": 0,
    "agents": {},
    "opens_at": None,
    "revision": 1,
    "created_by": "ann",
    "created_at": "2026-11-20T10:00:00Z",
    "updated_by": "ann",
    "updated_at": "2026-11-20T10:00:00Z",
    "started_at": None,
    "ended_at": None,
}
RUNNING = {**CAMPAIGN, "state": "running", "stage": 1, "agents": {"waiting": 8, "admitted": 2}}
HALTED = {
    **RUNNING,
    "state": "halted",
    "reason": "2 of 10 agents failed",
    "agents": {"waiting": 7, "failed": 2, "succeeded": 1},
}
FAILURES = {
    "failures": [{"error_message": "disk full", "count": 5, "agents": ["u1", "u2", "u3", "u4"]}],
    "total": 5,
}
NO_FAILURES: dict[str, Any] = {"failures": [], "total": 0}
OFFERS = {"package_assignments": [{"id": "a1", "name": "collector"}], "total": 1, "next_cursor": None}


def listed(*campaigns: dict[str, Any]) -> dict[str, Any]:
    """Write a page."""
    return {"campaigns": list(campaigns), "total": len(campaigns), "next_cursor": None}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "WATCH_SECONDS", 0.01)


def test_campaign_is_written_with_careful_defaults(opampctl: Run, api: RestDouble) -> None:
    """Ten per cent first; nothing begins until it is started."""
    api.answers = {"GET /package-assignments": OFFERS, "POST /campaigns": CAMPAIGN}

    result = opampctl("campaigns", "create", "collector", "--to", "1.5.0")

    assert result.exit_code == 0, result.output
    assert api.calls[-1].body == {
        "name": "collector-to-1.5.0",
        "assignment_id": "a1",
        "to_version": "1.5.0",
        "stages": [{"percent": 10}, {"percent": 50}, {"percent": 100}],
        "max_in_flight": 50,
        "watch_seconds": 300,
        "timeout_seconds": 3600,
        "failure_threshold": {"percent": 5},
        "window": None,
        "rollback": True,
    }
    assert "ring=canary, 100%" in result.stdout
    assert "mon 22:00-04:00 Europe/Berlin" in result.stdout
    assert "opampctl campaigns start collector-to-1.5.0" in result.stderr


def test_campaign_is_written_as_wished_and_started(opampctl: Run, api: RestDouble) -> None:
    """Every option reaches the plan."""
    api.answers = {
        "GET /package-assignments": OFFERS,
        "POST /campaigns": CAMPAIGN,
        f"POST /campaigns/{ID}/start": RUNNING,
    }
    words = "--stage ring=canary --stage 100% --max-in-flight 7 --watch 90s --timeout 10m --fail-at 3 --no-rollback"

    result = opampctl(
        *("campaigns", "create", "collector", "--to", "1.5.0+B", *words.split(), "--start", "-o", "json"),
        *("--window", "sat,sun 22:00-04:00 Europe/Berlin"),
    )

    assert json.loads(result.stdout)["state"] == "running"
    body = api.calls[-2].body
    assert body["name"] == "collector-to-1.5.0-b"
    assert body["stages"] == [{"selector": {"ring": "canary"}}, {"percent": 100}]
    assert (body["max_in_flight"], body["watch_seconds"], body["timeout_seconds"]) == (7, 90, 600)
    assert (body["failure_threshold"], body["rollback"]) == ({"count": 3}, False)
    assert body["window"] == {
        "time_zone": "Europe/Berlin",
        "days": ["sat", "sun"],
        "from": "22:00",
        "to": "04:00",
    }


@pytest.mark.parametrize(
    "words", [("--stage", "ten"), ("--fail-at", "few"), ("--window", "night"), ("--watch", "forever")]
)
def test_wrong_options_are_usage_errors(opampctl: Run, api: RestDouble, words: tuple[str, str]) -> None:
    """Exit code 2, before anything is sent."""
    api.answers = {"GET /package-assignments": OFFERS}

    assert opampctl("campaigns", "create", "collector", "--to", "1.5.0", *words).exit_code == 2
    assert api.paths("POST") == ["/api/v1/auth/login"]


def test_unknown_offer_and_unknown_campaign(opampctl: Run, api: RestDouble) -> None:
    """Exit code 5, with where to look; a name two have is a conflict."""
    none = {"package_assignments": [], "total": 0, "next_cursor": None}
    api.answers = {"GET /package-assignments": none, "GET /campaigns": listed()}
    assert opampctl("campaigns", "create", "nobody", "--to", "1.5.0").exit_code == 5
    assert opampctl("campaigns", "show", "nothing").exit_code == 5

    api.answers = {"GET /campaigns": listed(CAMPAIGN, {**CAMPAIGN, "id": "c2"})}
    result = opampctl("campaigns", "show", CAMPAIGN["name"])
    assert result.exit_code == 6
    assert ID in result.stderr


def test_campaigns_are_listed_and_shown(opampctl: Run, api: RestDouble) -> None:
    """For people as a table, for programs as the API says it; filters go along."""
    api.answers = {"GET /campaigns": listed(HALTED), f"GET /campaigns/{ID}": HALTED}

    table = opampctl("campaigns", "list", "--state", "halted", "--package", "collector")
    assert all(word in table.stdout for word in ("1.4.2 -> 1.5.0", "halted", "1 of 2", "2 failed"))
    assert (api.calls[-1].values("state"), api.calls[-1].values("package")) == (["halted"], ["collector"])
    assert json.loads(opampctl("campaigns", "list", "-o", "json").stdout)["campaigns"] == [HALTED]
    assert "2 of 10 agents failed" in opampctl("campaigns", "show", ID).stdout
    assert json.loads(opampctl("campaigns", "show", HALTED["name"], "-o", "json").stdout) == HALTED

    api.answers = {"GET /campaigns": listed()}
    empty = opampctl("campaigns", "list")
    assert (empty.stdout, "campaigns create" in empty.stderr) == ("", True)


@pytest.mark.parametrize("action", ["start", "pause", "resume", "abort"])
def test_campaigns_are_steered(opampctl: Run, api: RestDouble, action: str) -> None:
    """By name; what came of it is said."""
    api.answers = {"GET /campaigns": listed(CAMPAIGN), f"POST /campaigns/{ID}/{action}": RUNNING}

    result = opampctl("campaigns", action, CAMPAIGN["name"], *(("--yes",) if action == "abort" else ()))

    assert result.exit_code == 0, result.output
    assert "is running (2 admitted, 8 waiting)" in " ".join(result.stderr.split())


def test_what_cannot_be_undone_is_asked_first(opampctl: Run, api: RestDouble) -> None:
    """Aborting and forgetting."""
    api.answers = {"GET /campaigns": listed(CAMPAIGN), f"DELETE /campaigns/{ID}": {"message": "campaign deleted"}}

    assert opampctl("campaigns", "abort", CAMPAIGN["name"], stdin="n\n").exit_code != 0
    assert opampctl("campaigns", "rm", CAMPAIGN["name"], stdin="n\n").exit_code != 0
    assert api.paths("DELETE") == []
    assert opampctl("campaigns", "rm", CAMPAIGN["name"], "--yes").exit_code == 0
    assert api.paths("DELETE") == [f"/api/v1/campaigns/{ID}"]


def test_failures_are_told_with_their_agents(opampctl: Run, api: RestDouble) -> None:
    """Some by id, the others by number; exit code 8 when there are any."""
    api.answers = {f"GET /campaigns/{ID}": HALTED, f"GET /campaigns/{ID}/failures": FAILURES}

    result = opampctl("campaigns", "failures", ID)
    assert result.exit_code == 8
    assert "disk full" in result.stdout
    assert "u1 u2 u3 and 2 more" in result.stdout
    assert json.loads(opampctl("campaigns", "failures", ID, "-o", "json").stdout) == FAILURES

    api.answers[f"GET /campaigns/{ID}/failures"] = NO_FAILURES
    assert opampctl("campaigns", "failures", ID).exit_code == 0


def test_watching_ends_with_the_campaign(opampctl: Run, api: RestDouble) -> None:
    """Completed is 0; halted is 8, with what failed and how to go on."""
    api.answers = {f"GET /campaigns/{ID}": {**RUNNING, "state": "completed"}}
    done = opampctl("campaigns", "watch", ID)
    assert done.exit_code == 0, done.output
    assert "is completed" in done.stderr

    api.answers = {f"GET /campaigns/{ID}": HALTED, f"GET /campaigns/{ID}/failures": FAILURES}
    held = opampctl("campaigns", "watch", ID)
    assert held.exit_code == 8
    assert "disk full" in held.stdout
    assert "opampctl campaigns resume" in held.stderr


def test_watching_gives_up_in_time(opampctl: Run, api: RestDouble) -> None:
    """A campaign that still runs is told as it is; a line per change, not per look."""
    api.answers = {f"GET /campaigns/{ID}": RUNNING}

    result = opampctl("campaigns", "watch", ID, "--timeout", "200ms")

    assert result.exit_code == 8
    assert result.stderr.count("running, stage 1 of 2") == 1
    assert "is running" in result.stderr


def test_people_see_a_bar(opampctl: Run, api: RestDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal: how many are settled, of how many, and where the others are."""
    monkeypatch.setattr(campaigns, "_on_terminal", lambda: True)
    api.answers = {f"GET /campaigns/{ID}": HALTED, f"GET /campaigns/{ID}/failures": FAILURES}

    result = opampctl("campaigns", "watch", ID)

    assert result.exit_code == 8
    assert "disk full" in result.stdout
