"""Agents that hold a WebSocket open: first message, pushes, breaks, refusals."""

from __future__ import annotations

import pytest
from opamp_double import fleet_options, opamp_double, remote_config

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import Fleet, Transport
from world.eventually import wait_until as eventually


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_first_message_is_complete(transport: Transport) -> None:
    """The first message of an agent carries description, health, effective config and config status."""
    async with opamp_double() as server, Fleet(fleet_options(server, transport=transport)) as fleet:
        await fleet.wait_connected()
        agent = fleet.agents[0]

        await eventually(lambda: server.of(agent.uid))

        first = server.of(agent.uid)[0]
        attributes = {item.key: item.value.string_value for item in first.agent_description.identifying_attributes}
        assert attributes["service.instance.id"] == agent.uid_text
        assert first.health.component_health_map["receiver:otlp"].healthy
        assert first.effective_config.config_map.config_map["collector.yaml"].body
        assert first.HasField("remote_config_status")
        assert first.capabilities & opamp.AgentCapabilities_AcceptsRemoteConfig
        assert server.requests[0]["authorization"] == "Bearer oet_1_s"


async def test_push_reaches_every_socket_once() -> None:
    """A configuration pushed to live agents is received once by each, and counted in the latencies."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=20)) as fleet:
        await eventually(lambda: len(server.sockets) == 20)

        await server.push(remote_config("exporters: {}"))

        await eventually(lambda: fleet.snapshot().applied == 20)
        assert all(len(agent.received) == 1 for agent in fleet.agents)
        assert fleet.snapshot().latencies["spread"]["count"] == 20


async def test_agents_come_back_after_a_close() -> None:
    """When the server closes every socket, all agents are back at once, with their full state."""
    async with opamp_double() as server, Fleet(fleet_options(server)) as fleet:
        await eventually(lambda: len(server.sockets) == 3)

        await server.close_sockets()

        await eventually(lambda: sum(message.HasField("agent_description") for message in server.messages) == 6)
        await eventually(lambda: fleet.snapshot().counters["reconnects"] == 3)
        assert server.connects == 6


async def test_silent_reconnect_as_opamp_go() -> None:
    """Without first message on reconnect, an agent comes back silently and speaks at its next heartbeat."""
    async with opamp_double() as server:
        chosen = fleet_options(server, agents=1, first_message_on_reconnect=False)
        async with Fleet(chosen) as fleet:
            await eventually(lambda: len(server.sockets) == 1)
            await server.close_sockets()
            await eventually(lambda: server.connects == 2 and fleet.agents[0].connected)
            assert len(server.messages) == 1

            fleet.beat(0)

            await eventually(lambda: len(server.messages) == 2)
            assert not server.messages[1].HasField("agent_description")
            assert server.messages[1].sequence_num == 1


async def test_refused_upgrade_waits_as_asked() -> None:
    """A 503 with Retry-After is tried again, not before the time asked for."""
    async with opamp_double() as server:
        server.refusals = [(503, "1")]
        async with Fleet(fleet_options(server, agents=1)) as fleet:
            await fleet.wait_connected()

            snapshot = fleet.snapshot()
            assert snapshot.errors == {"http_503": 1}
            assert snapshot.elapsed_seconds >= 1.0


async def test_source_addresses_are_used_in_turn() -> None:
    """Agents connect from the addresses given, so that one machine has ports enough."""
    async with opamp_double() as server:
        chosen = fleet_options(server, agents=4, source_addresses=("127.0.0.2", "127.0.0.3"))
        async with Fleet(chosen) as fleet:
            await fleet.wait_connected()

            await eventually(lambda: len(server.peers) == 4)
            assert sorted(server.peers) == ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"]


async def test_agents_move_to_the_other_server() -> None:
    """With several endpoints agents spread evenly, and those of a dead server come back to the living one."""
    async with opamp_double() as living:
        async with opamp_double() as dying:
            chosen = fleet_options(living, agents=4, endpoint=f"{living.url},{dying.url}")
            fleet = await Fleet(chosen).__aenter__()
            await eventually(lambda: (len(living.sockets), len(dying.sockets)) == (2, 2))
        await eventually(lambda: len(living.sockets) == 4)
        await fleet.__aexit__(None, None, None)
