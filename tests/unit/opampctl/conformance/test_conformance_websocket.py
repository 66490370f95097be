"""The WebSocket client says anything, and sees everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conformancelab.server import TOKEN, Server, running

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance import frames
from opampctl.conformance.connection import Gone
from opampctl.conformance.evidence import Trace
from opampctl.conformance.heard import Heard
from opampctl.conformance.target import Target
from opampctl.conformance.websocket import Handshake, NotUpgraded, WebSocket, open_websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS = 30.0
REPORT = opamp.AgentToServer(instance_uid=b"u" * 16, capabilities=1).SerializeToString()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server."""
    async with running() as made:
        yield made


async def opened(server: Server, witnessed: list[Heard], trace: Trace | None = None, token: str = TOKEN) -> WebSocket:
    """Open a WebSocket."""
    target = Target.parse(f"ws://127.0.0.1:{server.port}/v1/opamp", token=token)
    return await open_websocket(target, Handshake(target.credentials()), trace or Trace(), witnessed.append, SECONDS)


async def test_message_in_pieces_with_a_ping_between(server: Server) -> None:
    """Fragments and control frames are sent as they are written, and the pong is seen."""
    witnessed: list[Heard] = []
    socket = await opened(server, witnessed)
    socket.send_raw(frames.frame(frames.BINARY, b"\x00" + REPORT[:3], final=False), "first")
    socket.send_raw(frames.frame(frames.PING, b"between"), "ping")
    socket.send_raw(frames.frame(frames.CONTINUATION, REPORT[3:]), "last")

    heard = await socket.next(SECONDS)

    assert heard is not None
    assert heard.message.instance_uid == b"u" * 16
    assert witnessed == [heard]
    assert socket.pongs == [b"between"]
    assert await socket.close(SECONDS)
    assert socket.closed_with == 1000


async def test_evidence_never_shows_the_request_headers(server: Server) -> None:
    """The handshake is noted without its credential."""
    trace = Trace()
    socket = await opened(server, [], trace)
    socket.send(REPORT)
    assert await socket.next(SECONDS)
    socket.drop()

    assert not any(TOKEN in line for line in trace.lines())
    assert trace.lines()[0] == "> GET /v1/opamp upgrade to WebSocket"


async def test_refusal_is_shown(server: Server) -> None:
    """A handshake that is refused tells the status."""
    with pytest.raises(NotUpgraded) as refusal:
        await opened(server, [], token="wrong")
    assert refusal.value.head.status == 401


async def test_large_message_ends_when_refused(server: Server) -> None:
    """A message over the limit is sent until the server has had enough, and its Close is seen."""
    socket = await opened(server, [])
    await socket.send_large(1 << 21, b"\x00" + REPORT, bytes(1 << 16), "large")

    assert await socket.ending(SECONDS)
    assert socket.closed_with == 1009
    assert await socket.next(SECONDS) is None


async def test_frames_no_server_may_send_are_a_fault(server: Server) -> None:
    """A masked frame of the server ends the conversation with what was wrong."""
    socket = await opened(server, [])
    socket._connection.data_received(frames.frame(frames.BINARY, b"masked"))

    assert socket.ended
    assert "mask" in socket.fault
    socket.drop()
    assert await socket._connection.end(SECONDS)
    with pytest.raises(Gone):
        socket.send(REPORT)
