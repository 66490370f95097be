"""What one agent is told, on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from rest_double import RestDouble, Run

ID = "00000000-0000-7000-8000-000000000001"
SEND = f"POST /agents/{ID}/custom-messages"
ECHO = "com.example.echo"


@pytest.mark.parametrize(("word", "path"), [("restart", "restart"), ("refresh-components", "components/refresh")])
def test_an_agent_is_told(opampctl: Run, api: RestDouble, word: str, path: str) -> None:
    """Where, or that it waits for a poll."""
    api.answers[f"POST /agents/{ID}/{path}"] = {"gateway_id": "g1", "at_once": True}
    at_once = opampctl("agents", word, "edge-prod-00001")
    data = opampctl("agents", word, ID, "-o", "json")
    api.answers[f"POST /agents/{ID}/{path}"] = {"gateway_id": "g1", "at_once": False}
    later = opampctl("agents", word, ID)

    assert "through gateway g1" in at_once.stderr
    assert json.loads(data.stdout) == {"gateway_id": "g1", "at_once": True}
    assert "next poll" in later.stderr


def test_a_message_is_sent_without_waiting(opampctl: Run, api: RestDouble) -> None:
    """Text, type, nothing else."""
    api.answers[SEND] = {"gateway_id": "g1", "at_once": True}

    result = opampctl("agents", "send", ID, ECHO, "hello", "--type", "ask")

    assert result.exit_code == 0
    assert api.calls[-1].body == {"capability": ECHO, "type": "ask", "text": "hello"}


def test_an_answer_is_printed_alone(opampctl: Run, api: RestDouble) -> None:
    """Text as text, bytes as bytes, everything as data."""
    reply = {"capability": ECHO, "type": "answer", "data": "aGk=", "text": "[hi]"}
    api.answers[SEND] = {"reply": reply}
    text = opampctl("agents", "send", ID, ECHO, "hi", "--wait", "--timeout", "5s")
    asked = api.calls[-1].body
    data = opampctl("agents", "send", ID, ECHO, "--reply-type", "answer", "-o", "json")
    api.answers[SEND] = {"reply": {**reply, "data": "/w==", "text": None}}
    raw = opampctl("agents", "send", ID, ECHO, "hi", "--wait")

    assert text.stdout == "[hi]\n"
    assert (asked["await_reply"], asked["timeout_seconds"]) == (True, 5.0)
    assert json.loads(data.stdout)["reply"] == reply
    assert raw.stdout_bytes == b"\xff"


def test_content_may_come_from_a_file_or_a_pipe(opampctl: Run, api: RestDouble, tmp_path: Path) -> None:
    """But not from two places."""
    api.answers[SEND] = {"gateway_id": "g1", "at_once": True}
    file = tmp_path / "content"
    file.write_bytes(b"\x00\x01")

    opampctl("agents", "send", ID, ECHO, "--file", str(file))
    from_file = api.calls[-1].body
    opampctl("agents", "send", ID, ECHO, "--file", "-", stdin="piped")
    from_pipe = api.calls[-1].body
    both = opampctl("agents", "send", ID, ECHO, "text", "--file", str(file))
    missing = opampctl("agents", "send", ID, ECHO, "--file", str(tmp_path / "none"))

    assert (from_file["data"], from_pipe["data"]) == ("AAE=", "cGlwZWQ=")
    assert (both.exit_code, missing.exit_code) == (2, 2)


def test_an_agent_that_does_not_answer_is_told_as_such(opampctl: Run, api: RestDouble) -> None:
    """The exit code says that it is worth another try."""
    api.broken[f"/api/v1/agents/{ID}/custom-messages"] = (504, "the agent did not answer within 10 s")

    result = opampctl("agents", "send", ID, ECHO, "hi", "--wait")

    assert result.exit_code == 7
    assert "did not answer within 10 s" in result.stderr


def test_connection_settings_of_an_agent_are_shown_and_retried(opampctl: Run, api: RestDouble) -> None:
    """Where each member leads, and how far the agent is."""
    found = {
        "agent_id": ID,
        "state": "failed",
        "error_message": "401",
        "policies": ["edge"],
        "desired": {"opamp": {"destination_endpoint": "wss://o"}, "own_metrics": None, "other_connections": {"s": {}}},
    }
    api.answers[f"GET /agents/{ID}/connection-settings"] = found
    api.answers[f"POST /agents/{ID}/connection-settings/retry"] = found

    table = opampctl("agents", "connection-settings", ID)
    data = opampctl("agents", "connection-settings", ID, "--retry", "-o", "json")

    for text in ("failed", "401", "edge", "wss://o"):
        assert text in table.stdout
    assert json.loads(data.stdout) == found
    assert api.paths("POST")[-1].endswith("/retry")
