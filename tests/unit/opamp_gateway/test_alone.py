"""A gateway without servers serves agents all the same."""

from __future__ import annotations

import asyncio

from gatewaylab.fakes import FakeSink
from gatewaylab.speech import full
from websockets.asyncio.client import connect

from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway.alone import gateway_alone, run_alone
from opamp_gateway.app import open_door
from world.eventually import wait_until


async def test_agent_is_served_and_its_facts_come_out() -> None:
    """Door, session, epoch and publisher without NATS or Redis."""
    sink = FakeSink()
    gateway = gateway_alone(sink=sink)
    running = asyncio.ensure_future(run_alone(gateway))
    server = await open_door(gateway, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with connect(f"ws://127.0.0.1:{port}/v1/opamp", compression=None) as agent:
        await agent.send(b"\x00" + full().SerializeToString())
        reply = await asyncio.wait_for(agent.recv(), 30)
        assert isinstance(reply, bytes)
        assert opamp.ServerToAgent.FromString(reply[1:]).capabilities
        await wait_until(lambda: len(sink.facts) == 5)

    await wait_until(lambda: len(sink.facts) == 6)
    assert sink.facts[-1].disconnected.reason == "connection closed"
    server.close()
    running.cancel()
    await asyncio.wait([running])
