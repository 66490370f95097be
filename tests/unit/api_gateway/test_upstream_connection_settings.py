"""Questions to agent-state about connection settings."""

from __future__ import annotations

from typing import Any

from api_gateway.models.paging import PageQuery
from api_gateway.upstream.connection_settings import ConnectionSettings
from contracts.ids import AgentUid
from fleet.api.v1.connection_settings_pb2 import ConnectionSettingsPolicy


async def test_each_question_names_its_tenant(caller: Any) -> None:
    """Nobody reads another tenant's settings."""
    bus = caller(0)
    settings = ConnectionSettings(bus, 5)

    await settings.get("t", "edge")
    await settings.list_policies("t", PageQuery(limit=5))
    await settings.delete("t", "edge")
    await settings.of_agent("t", AgentUid(bytes(16)))
    await settings.retry("t", AgentUid(bytes(16)), "jo")
    await settings.put(ConnectionSettingsPolicy(tenant_id="t", name="edge"), expected_version=3)

    *others, put = bus.requests
    assert {request.tenant_id for request in others} == {"t"}
    assert (put.policy.tenant_id, put.expected_version) == ("t", 3)
