"""Waiting for answers of agents when the bus is away."""

from __future__ import annotations

import pytest

from api_gateway.upstream.custom_messages import CustomMessages
from api_gateway.upstream.identity import Identity
from contracts.ids import AgentUid
from opamp.v1.opamp_pb2 import CustomMessage
from servicekit.bus import Bus
from servicekit.errors import Unavailable


async def test_without_a_bus_nobody_waits(nats_url: str) -> None:
    """The call ends at once and leaves its place."""
    bus = await Bus.connect(nats_url, name="test")
    await bus.close()
    messages = CustomMessages(bus, Identity(bus, 1), max_waiting=1)

    with pytest.raises(Unavailable):
        await messages.ask("default", AgentUid(bytes(16)), CustomMessage(), "jo", reply_type="", timeout_seconds=1)

    assert messages.waiting == 0
