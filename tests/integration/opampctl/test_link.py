"""One WebSocket connection of a simulated agent, against a library's server and against broken ones."""

from __future__ import annotations

import asyncio

import pytest
from opamp_double import fleet_options, opamp_double, remote_config
from websockets.asyncio.server import ServerConnection, serve

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import Fleet, FleetOptions
from world.eventually import wait_until as eventually


async def test_agents_talk_to_another_servers_library() -> None:
    """A server on the websockets library, which checks every frame, hears a large message and ends the connection."""
    heard: list[opamp.AgentToServer] = []
    answered: list[opamp.ServerToAgent] = []

    async def converse(connection: ServerConnection) -> None:
        async for frame in connection:
            assert isinstance(frame, bytes)
            heard.append(opamp.AgentToServer.FromString(frame[1:]))
            answer = opamp.ServerToAgent(instance_uid=heard[-1].instance_uid, capabilities=7)
            if len(heard) == 1:
                answer.remote_config.CopyFrom(remote_config("a: " + "x" * 20_000))
            if heard[-1].HasField("agent_disconnect"):
                return  # whoever said goodbye does not wait for the answer
            await (await connection.ping(b"are you there"))  # ends when the pong is there
            await connection.send([b"\x00", answer.SerializeToString()])  # in two frames
            answered.append(answer)

    async with serve(converse, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        chosen = FleetOptions(endpoint=f"ws://127.0.0.1:{port}/v1/opamp", apply_delay_seconds=0.01)
        async with Fleet(chosen) as fleet:
            await eventually(lambda: fleet.agents[0].applied_hash and len(answered) == 3)

        assert len(heard[2].effective_config.config_map.config_map["config.yaml"].body) > 20_000
        await eventually(lambda: heard[-1].HasField("agent_disconnect"))
        assert not fleet.snapshot().errors


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: wrong\r\n\r\n", "ConnectionError"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "http_0"),
        (b"x" * 20_000, "ConnectionError"),
        (b"", "ConnectionResetError"),
    ],
)
async def test_what_is_no_websocket_server_is_told_apart(answer: bytes, error: str) -> None:
    """Whatever answers in another tongue is counted as an error, and tried again later."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Fleet(FleetOptions(endpoint=f"ws://127.0.0.1:{port}")) as fleet:
        await eventually(lambda: fleet.snapshot().errors.get(error))

        assert fleet.snapshot().connected == 0


async def test_broken_frames_end_the_connection() -> None:
    """A server that breaks RFC 6455 is left with a Close frame, and connected to again."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1)) as fleet:
        await eventually(lambda: len(server.sockets) == 1)
        transport = next(iter(server.sockets.values()))._req.transport  # type: ignore[union-attr]  # is connected
        assert transport is not None

        transport.write(b"\xf2\x00")

        await eventually(lambda: server.connects == 2)
        assert fleet.snapshot().errors["protocol_error"] == 1


async def test_malformed_header_is_counted() -> None:
    """A message with a reserved header is not processed (C-009)."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1)) as fleet:
        await eventually(lambda: len(server.sockets) == 1)

        await next(iter(server.sockets.values())).send_bytes(b"\x01abc")

        await eventually(lambda: fleet.snapshot().errors == {"malformed_frame": 1})
        assert fleet.agents[0].connected
