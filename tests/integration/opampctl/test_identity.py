"""Who agents are, on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rest_double import RestDouble, Run

ID = "00000000-0000-7000-8000-000000000001"
CREDENTIAL = {"id": "c1", "agent_id": ID, "kind": "bearer", "state": "current", "created_at": "2026-11-20T10:00:00Z"}


@pytest.mark.parametrize(("word", "approval"), [("approve", "approved"), ("reject", "rejected")])
def test_agents_are_approved_and_rejected(opampctl: Run, api: RestDouble, word: str, approval: str) -> None:
    """By a part of their name, with a comment; the answer says what they are now."""
    api.answers[f"POST /agents/{ID}/{word}"] = {"id": ID, "name": "edge", "approval": approval}

    table = opampctl("agents", word, "edge-prod-00001", "--comment", "ours")
    data = opampctl("agents", word, ID, "-o", "json")

    assert approval in table.stdout
    assert json.loads(data.stdout)["approval"] == approval
    assert [call.body for call in api.calls if call.method == "POST"][-2:] == [{"comment": "ours"}, {"comment": ""}]


def test_an_agent_is_revoked_whole_or_by_credential(opampctl: Run, api: RestDouble) -> None:
    """Only after a question, unless --yes."""
    api.answers[f"POST /agents/{ID}/revoke"] = {"id": ID, "approval": "revoked"}
    api.answers[f"DELETE /agents/{ID}/credentials/c1"] = {"revoked": [CREDENTIAL]}

    asked = opampctl("agents", "revoke", ID, stdin="n\n")
    whole = opampctl("agents", "revoke", ID, "--comment", "stolen", "--yes")
    one = opampctl("agents", "revoke", ID, "--credential", "c1", "--yes")

    assert (asked.exit_code, whole.exit_code, one.exit_code) == (1, 0, 0)
    assert api.paths("POST")[-1] == f"/api/v1/agents/{ID}/revoke"
    assert api.paths("DELETE") == [f"/api/v1/agents/{ID}/credentials/c1"]


def test_credentials_are_listed_page_by_page_and_rotated(opampctl: Run, api: RestDouble) -> None:
    """As a table, as data; a new one is only offered, which is said."""
    api.answers[f"GET /agents/{ID}/credentials"] = {"credentials": [CREDENTIAL], "next_cursor": None}
    api.answers[f"POST /agents/{ID}/credentials/rotate"] = {**CREDENTIAL, "id": "c2", "state": "candidate"}

    table = opampctl("agents", "credentials", ID)
    data = opampctl("agents", "credentials", ID, "--all", "-o", "yaml")
    rotated = opampctl("agents", "rotate", ID)
    rotated_data = opampctl("agents", "rotate", ID, "-o", "json")

    assert "bearer" in table.stdout
    assert "state: current" in data.stdout
    assert "c2 is offered" in rotated.stderr
    assert json.loads(rotated_data.stdout)["state"] == "candidate"


def test_an_agent_without_credentials_is_told_as_such(opampctl: Run, api: RestDouble) -> None:
    """On stderr, so that a pipe stays empty."""
    api.answers[f"GET /agents/{ID}/credentials"] = {"credentials": [], "next_cursor": None}

    result = opampctl("agents", "credentials", ID)

    assert (result.stdout, "no credential of its own" in result.stderr) == ("", True)


def test_agents_are_listed_by_approval(opampctl: Run, api: RestDouble) -> None:
    """One that waits shows that instead of its status."""
    api.agents[0]["approval"] = "pending"

    result = opampctl("agents", "list", "--approval", "pending")

    assert api.calls[-1].values("approval") == ["pending"]
    assert "pending" in result.stdout
