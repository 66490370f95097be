"""A simulated fleet against an OpAMP server in the same test: connects, reports, applies, comes back."""

from __future__ import annotations

import pytest
from opamp_double import OpampDouble, opamp_double, remote_config

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import Fleet, FleetOptions, Transport
from world.eventually import wait_until as eventually

APPLYING, APPLIED, FAILED = (
    opamp.RemoteConfigStatuses_APPLYING,
    opamp.RemoteConfigStatuses_APPLIED,
    opamp.RemoteConfigStatuses_FAILED,
)


def options(server: OpampDouble, **changes: object) -> FleetOptions:
    """Make the options of a quick fleet."""
    chosen = {"endpoint": server.url, "token": "oet_1_s", "agents": 3, "apply_delay_seconds": 0.01} | changes
    return FleetOptions(**chosen)  # type: ignore[arg-type]  # the tests choose well


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_first_message_is_complete(transport: Transport) -> None:
    """The first message of an agent carries description, health, effective config and config status."""
    async with opamp_double() as server, Fleet(options(server, transport=transport)) as fleet:
        await fleet.wait_connected(within_seconds=5)
        agent = fleet.agents[0]

        await eventually(lambda: server.of(agent.uid), within=5)

        first = server.of(agent.uid)[0]
        attributes = {item.key: item.value.string_value for item in first.agent_description.identifying_attributes}
        assert attributes["service.instance.id"] == agent.uid_text
        assert first.health.component_health_map["receiver:otlp"].healthy
        assert first.effective_config.config_map.config_map["collector.yaml"].body
        assert first.HasField("remote_config_status")
        assert first.capabilities & opamp.AgentCapabilities_AcceptsRemoteConfig
        assert server.requests[0]["authorization"] == "Bearer oet_1_s"


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_configuration_is_applied_and_reported(transport: Transport) -> None:
    """An agent reports APPLYING, then APPLIED with the new effective configuration; the rejecting one FAILED."""
    async with opamp_double() as server:
        server.desired = remote_config("receivers: {}")
        config_hash = server.desired.config_hash
        async with Fleet(options(server, transport=transport, reject=1)) as fleet:
            good, bad = fleet.agents[1], fleet.agents[0]

            await eventually(
                lambda: [status.status for status in server.statuses(good.uid)][-1:] == [APPLIED], within=5
            )
            await eventually(lambda: [status.status for status in server.statuses(bad.uid)][-1:] == [FAILED], within=5)

            assert [status.status for status in server.statuses(good.uid)] == [APPLYING, APPLIED]
            assert good.applied_hash == config_hash
            assert good.receipts_of(config_hash) == 1
            body = server.of(good.uid)[-1].effective_config.config_map.config_map["config.yaml"].body
            assert body == b"receivers: {}"
            assert "refused the configuration" in server.statuses(bad.uid)[-1].error_message
            assert bad.applied_hash == b""
            snapshot = fleet.snapshot()
            assert (snapshot.applied, snapshot.failed) == (2, 1)
            assert snapshot.configs == {config_hash.hex(): 2}


async def test_push_reaches_every_socket_once() -> None:
    """A configuration pushed to live agents is received once by each, and counted in the latencies."""
    async with opamp_double() as server, Fleet(options(server, agents=20)) as fleet:
        await eventually(lambda: len(server.sockets) == 20, within=5)

        await server.push(remote_config("exporters: {}"))

        await eventually(lambda: fleet.snapshot().applied == 20, within=5)
        assert all(len(agent.received) == 1 for agent in fleet.agents)
        assert fleet.snapshot().latencies["spread"]["count"] == 20


async def test_sequence_numbers_have_no_gap() -> None:
    """The sequence number grows by one with each message of an agent, goodbye included."""
    async with opamp_double() as server:
        async with Fleet(options(server, agents=1, heartbeat_seconds=0.02)) as fleet:
            agent = fleet.agents[0]
            await eventually(lambda: len(server.of(agent.uid)) > 5, within=5)

        numbers = [message.sequence_num for message in server.of(agent.uid)]
        assert numbers == list(range(len(numbers)))
        assert server.messages[-1].HasField("agent_disconnect")
        assert fleet.statistics.heartbeats >= 4


async def test_agents_come_back_after_a_close() -> None:
    """When the server closes every socket, all agents are back at once, with their full state."""
    async with opamp_double() as server, Fleet(options(server)) as fleet:
        await eventually(lambda: len(server.sockets) == 3, within=5)

        await server.close_sockets()

        await eventually(lambda: server.connects == 6 and len(server.sockets) == 3, within=5)
        assert fleet.snapshot().counters["reconnects"] == 3
        assert sum(message.HasField("agent_description") for message in server.messages) == 6


async def test_silent_reconnect_as_opamp_go() -> None:
    """Without first message on reconnect, an agent comes back silently and speaks at its next heartbeat."""
    async with opamp_double() as server:
        chosen = options(server, agents=1, first_message_on_reconnect=False)
        async with Fleet(chosen) as fleet:
            await eventually(lambda: len(server.sockets) == 1, within=5)
            await server.close_sockets()
            await eventually(lambda: server.connects == 2 and fleet.agents[0].connected, within=5)
            assert len(server.messages) == 1

            fleet.beat(0)

            await eventually(lambda: len(server.messages) == 2, within=5)
            assert not server.messages[1].HasField("agent_description")
            assert server.messages[1].sequence_num == 1


async def test_refused_upgrade_waits_as_asked() -> None:
    """A 503 with Retry-After is tried again, not before the time asked for."""
    async with opamp_double() as server:
        server.refusals = [(503, "1")]
        async with Fleet(options(server, agents=1)) as fleet:
            await fleet.wait_connected(within_seconds=5)

            snapshot = fleet.snapshot()
            assert snapshot.errors == {"http_503": 1}
            assert snapshot.elapsed_seconds >= 1.0


async def test_report_full_state_and_new_identity_are_honoured() -> None:
    """The server's ReportFullState is answered at once, and a new instance_uid is used from then on."""
    new_uid = bytes(range(16))
    async with opamp_double() as server, Fleet(options(server, agents=1)) as fleet:
        agent = fleet.agents[0]
        await eventually(lambda: len(server.sockets) == 1, within=5)
        old_uid = agent.uid
        request = opamp.ServerToAgent(flags=opamp.ServerToAgentFlags_ReportFullState)
        request.agent_identification.new_instance_uid = new_uid

        await server.send(old_uid, server.sockets[old_uid], request)

        await eventually(lambda: server.of(new_uid), within=5)
        assert server.of(new_uid)[0].HasField("agent_description")
        assert agent.uid == new_uid
        assert fleet.snapshot().counters["full_states_requested"] == 1


async def test_restart_command_brings_the_agent_back() -> None:
    """On a restart command an agent says goodbye, reconnects and reports a new start time."""
    async with opamp_double() as server, Fleet(options(server, agents=1)) as fleet:
        agent = fleet.agents[0]
        await eventually(lambda: len(server.sockets) == 1, within=5)
        started = agent.started_unix_nano
        command = opamp.ServerToAgent()
        command.command.SetInParent()

        await server.send(agent.uid, server.sockets[agent.uid], command)

        await eventually(lambda: server.connects == 2 and agent.connected, within=5)
        assert any(message.HasField("agent_disconnect") for message in server.messages)
        assert agent.started_unix_nano > started


async def test_mixed_fleet_uses_both_transports() -> None:
    """A mixed fleet polls with its share and holds sockets with the rest; a poll names the agent in a header."""
    async with opamp_double() as server:
        chosen = options(server, agents=10, transport=Transport.MIXED, http_share=0.3)
        async with Fleet(chosen) as fleet:
            await fleet.wait_connected(within_seconds=5)

            snapshot = fleet.snapshot()
            assert (snapshot.websocket, snapshot.http) == (7, 3)
            polls = {request["opamp-instance-uid"] for request in server.requests if "opamp-instance-uid" in request}
            assert polls == {agent.uid_text for agent in fleet.agents if agent.uses_http}


async def test_poll_failure_repeats_the_full_state() -> None:
    """After a refused poll the next one carries everything again."""
    async with opamp_double() as server:
        server.refusals = [(500, None)]
        async with Fleet(options(server, agents=1, transport=Transport.HTTP)) as fleet:
            await fleet.wait_connected(within_seconds=5)

            assert server.messages[0].HasField("agent_description")
            assert server.messages[0].sequence_num == 1
            assert fleet.snapshot().errors == {"http_500": 1}


async def test_churn_breaks_and_restores_connections() -> None:
    """Churning agents break off and are back within their time away."""
    async with opamp_double() as server:
        chosen = options(server, agents=5, churn_per_second=100.0, churn_away_seconds=0.05)
        async with Fleet(chosen) as fleet:
            await eventually(lambda: fleet.snapshot().counters["reconnects"] > 5, within=5)

            assert fleet.snapshot().counters["churned"] > 5


async def test_run_ends_after_its_duration_and_says_goodbye() -> None:
    """`run` returns the state before the goodbye, and every agent has said it."""
    async with opamp_double() as server:
        fleet = Fleet(options(server))

        snapshot = await fleet.run(0.3)

        assert snapshot.connected == 3
        assert sum(message.HasField("agent_disconnect") for message in server.messages) == 3
        assert not any(agent.connected for agent in fleet.agents)
