"""What an agent said reads the same over both transports."""

from __future__ import annotations

import pytest

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.said import Said
from opampctl.conformance.heard import Transport

MESSAGE = opamp.AgentToServer(instance_uid=bytes(16), agent_disconnect=opamp.AgentDisconnect()).SerializeToString()


@pytest.mark.parametrize(
    ("transport", "raw"), [(Transport.WEBSOCKET, b"\x80\x00" + MESSAGE), (Transport.HTTP, MESSAGE)]
)
def test_message_is_read(transport: Transport, raw: bytes) -> None:
    """The header goes off a WebSocket message, whatever its length; presence of empty parts is seen."""
    said = Said(0, 1, 1, transport, 0.0, raw)

    assert said.readable
    assert said.parts == {"agent_disconnect"}
    assert said.numbers == [1, 9]
    assert not said.bare


def test_nonsense_is_not_readable() -> None:
    """Bytes that are no message are an empty one that says so."""
    said = Said(0, 1, 1, Transport.WEBSOCKET, 0.0, b"\x00\xff\xff")

    assert not said.readable
    assert said.bare
