"""Questions to agent-state about who agents are."""

from __future__ import annotations

from typing import Any

from api_gateway.upstream.identity import Identity
from contracts.ids import AgentUid
from opamp.v1 import opamp_pb2

UID = AgentUid(bytes(16))


async def test_one_agent_is_told_one_thing(caller: Any) -> None:
    """Restart, components or a custom message; each names who says it."""
    bus = caller(0)
    identity = Identity(bus, 5)

    await identity.restart("default", UID, "jo")
    await identity.refresh_components("default", UID, "jo")
    await identity.send("default", UID, opamp_pb2.CustomMessage(capability="c"), "jo")

    kinds = [request.WhichOneof("what") for request in bus.requests]
    assert kinds == ["command", "report_available_components", "custom_message"]
    assert {request.author for request in bus.requests} == {"jo"}


async def test_revoking_without_an_id_means_the_agent(caller: Any) -> None:
    """And with one, that credential alone."""
    bus = caller(0)
    identity = Identity(bus, 5)

    await identity.revoke("default", UID, "jo", comment="stolen")
    await identity.revoke("default", UID, "jo", credential_id="c1")

    assert [(request.credential_id, request.comment) for request in bus.requests] == [("", "stolen"), ("c1", "")]
