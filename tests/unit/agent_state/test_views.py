from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agent_state.report_store import REPORT_TABLES
from agent_state.token_store import EnrolmentToken
from agent_state.views import agent_of, connection_of, token_of
from opamp.v1 import opamp_pb2
from world.facts import uid_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

ROW: dict[str, Any] = {
    "tenant_id": "default",
    "agent_uid": uid_of(1),
    "name": "n",
    "version": "1",
    "hostname": "h",
    "os_type": "linux",
    "architecture": "amd64",
    "status": "error",
    "link": "connected",
    "health_state": "unhealthy",
    "health_error": "ill",
    "config_state": "failed",
    "config_error": "bad",
    "last_connected_at": NOW,
    "last_disconnected_at": None,
    "last_seen_at": NOW,
    "disconnect_reason": "",
    "transport": 1,
    "remote_address": "a:1",
    "epoch": 5,
    "agent_sequence_num": -1,
    "capabilities": -1,
    "remote_config_hash": b"h",
    "approval": "approved",
    "stamped_labels": None,
    "enrolment_token_id": "",
    "ephemeral_seconds": 0,
    "created_at": NOW,
    "updated_at": NOW,
    "gateway_id": None,
    "labels": None,
}


def test_list_rows_leave_out_what_agents_reported() -> None:
    """Lists are light; absent times stay unset, big numbers come back unsigned."""
    agent = agent_of(ROW, whole=False)

    assert (agent.status, agent.config_error, agent.health_error) == ("error", "bad", "ill")
    assert agent.capabilities == agent.agent_sequence_num == (1 << 64) - 1
    assert not agent.HasField("last_disconnected_at")
    assert agent.last_seen_at.ToDatetime(UTC) == NOW
    assert (agent.gateway_id, dict(agent.labels)) == ("", {})


def test_whole_agent_has_its_reports() -> None:
    """What was reported is there, an empty report too; what was not is absent."""
    row = ROW | dict.fromkeys(("description", "effective_config", *REPORT_TABLES))
    row["health"] = opamp_pb2.ComponentHealth(last_error="ill").SerializeToString()
    row["components"] = b""

    agent = agent_of(row, whole=True)

    assert agent.health.last_error == "ill"
    assert agent.HasField("components")
    assert not agent.HasField("description")


def test_open_connection_has_no_end() -> None:
    """Unset means still open."""
    connection = connection_of(ROW | {"connected_at": NOW, "disconnected_at": None, "duration_seconds": 7.5})

    assert (connection.id, connection.epoch, connection.duration_seconds) == (5, 5, 7.5)
    assert not connection.HasField("disconnected_at")


def test_token_is_shown_without_text() -> None:
    """Name, times and who made it."""
    view = token_of(EnrolmentToken("default", "id", "lab", "admin", NOW, None, None))

    assert (view.id, view.name, view.created_by) == ("id", "lab", "admin")
    assert not view.HasField("expires_at")
