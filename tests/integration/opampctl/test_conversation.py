"""What both transports have in common: statuses, sequence numbers, commands."""

from __future__ import annotations

import pytest
from opamp_double import OpampDouble, fleet_options, opamp_double, remote_config

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import Fleet, Transport
from world.eventually import wait_until as eventually

APPLYING, APPLIED, FAILED = (
    opamp.RemoteConfigStatuses_APPLYING,
    opamp.RemoteConfigStatuses_APPLIED,
    opamp.RemoteConfigStatuses_FAILED,
)


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_configuration_is_applied_and_reported(transport: Transport) -> None:
    """An agent reports APPLYING, then APPLIED with the new effective configuration; the rejecting one FAILED."""
    async with opamp_double() as server:
        server.desired = remote_config("receivers: {}")
        config_hash = server.desired.config_hash
        async with Fleet(fleet_options(server, transport=transport, reject=1)) as fleet:
            good, bad = fleet.agents[1], fleet.agents[0]

            await eventually(lambda: [status.status for status in server.statuses(good.uid)][-1:] == [APPLIED])
            await eventually(lambda: [status.status for status in server.statuses(bad.uid)][-1:] == [FAILED])

            assert [status.status for status in server.statuses(good.uid)] == [APPLYING, APPLIED]
            assert good.applied_hash == config_hash
            assert good.receipts_of(config_hash) == 1
            body = server.of(good.uid)[-1].effective_config.config_map.config_map["config.yaml"].body
            assert body == b"receivers: {}"
            assert "refused the configuration" in server.statuses(bad.uid)[-1].error_message
            assert bad.applied_hash == b""
            await eventually(lambda: fleet.snapshot().applied == 2)
            snapshot = fleet.snapshot()
            assert (snapshot.applied, snapshot.failed) == (2, 1)
            assert snapshot.configs == {config_hash.hex(): 2}


async def test_sequence_numbers_have_no_gap() -> None:
    """The sequence number grows by one with each message of an agent, goodbye included."""
    async with opamp_double() as server:
        async with Fleet(fleet_options(server, agents=1, heartbeat_seconds=0.02)) as fleet:
            agent = fleet.agents[0]
            await eventually(lambda: len(server.of(agent.uid)) > 5)

        await eventually(lambda: server.messages[-1].HasField("agent_disconnect"))
        numbers = [message.sequence_num for message in server.of(agent.uid)]
        assert numbers == list(range(len(numbers)))
        assert fleet.statistics.heartbeats >= 4


async def test_report_full_state_and_new_identity_are_honoured() -> None:
    """The server's ReportFullState is answered at once, and a new instance_uid is used from then on."""
    new_uid = bytes(range(16))
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1)) as fleet:
        agent = fleet.agents[0]
        await eventually(lambda: len(server.sockets) == 1)
        old_uid = agent.uid
        request = opamp.ServerToAgent(flags=opamp.ServerToAgentFlags_ReportFullState)
        request.agent_identification.new_instance_uid = new_uid

        await server.send(old_uid, server.sockets[old_uid], request)

        await eventually(lambda: server.of(new_uid))
        assert server.of(new_uid)[0].HasField("agent_description")
        assert agent.uid == new_uid
        assert fleet.snapshot().counters["full_states_requested"] == 1


async def test_restart_command_brings_the_agent_back() -> None:
    """On a restart command an agent says goodbye, reconnects and reports a new start time."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1)) as fleet:
        agent = fleet.agents[0]
        await eventually(lambda: len(server.sockets) == 1)
        started = agent.started_unix_nano
        command = opamp.ServerToAgent()
        command.command.SetInParent()

        await server.send(agent.uid, server.sockets[agent.uid], command)

        await eventually(lambda: server.connects == 2 and agent.connected)
        await eventually(lambda: any(message.HasField("agent_disconnect") for message in server.messages))
        assert agent.started_unix_nano > started


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_overloaded_server_is_given_a_pause(transport: Transport) -> None:
    """After Unavailable with retry_info an agent is silent for that long, then says everything again."""
    async with opamp_double() as server:
        chosen = fleet_options(server, agents=1, transport=transport, heartbeat_seconds=1, uid_seed="pause")
        fleet = Fleet(chosen)
        busy = opamp.ServerToAgent()
        busy.error_response.type = opamp.ServerErrorResponseType_Unavailable
        busy.error_response.retry_info.retry_after_nanoseconds = 1_500_000_000
        server.replies[fleet.agents[0].uid] = busy
        async with fleet:
            await eventually(lambda: len(server.messages) >= 2)

            assert server.messages[1].HasField("agent_description")
            assert fleet.snapshot().elapsed_seconds >= 1.5


async def test_newer_configuration_replaces_the_one_being_applied() -> None:
    """Two pushes in a row end with one outcome, that of the second."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1, apply_delay_seconds=1.0)) as fleet:
        await eventually(lambda: len(server.sockets) == 1)
        newest = remote_config("b: 2")

        await server.push(remote_config("a: 1"))
        await server.push(newest)

        await eventually(lambda: fleet.agents[0].applied_hash == newest.config_hash)
        assert fleet.snapshot().counters["configs_applied"] == 1
        assert fleet.snapshot().counters["configs_received"] == 2


async def test_health_is_told_at_once() -> None:
    """A change of health does not wait for the next heartbeat."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1)) as fleet:
        await eventually(lambda: len(server.sockets) == 1)

        fleet.set_health(0, healthy=False, error="disk full")

        await eventually(lambda: server.messages[-1].health.last_error == "disk full")


async def test_failures_happen_at_the_chosen_rate() -> None:
    """With a fail rate of 1 every configuration fails with the transient error."""
    async with opamp_double() as server:
        server.desired = remote_config("a: 1")
        async with Fleet(fleet_options(server, fail_rate=1.0)) as fleet:
            await eventually(lambda: fleet.snapshot().failed == 3)

            assert "did not become healthy" in fleet.agents[0].config_error


def bearer(name: str, **changes: object) -> opamp.ServerToAgent:
    """Offer another credential."""
    headers = opamp.Headers(headers=[opamp.Header(key="Authorization", value=f"Bearer {name}")])
    own = opamp.OpAMPConnectionSettings(headers=headers, heartbeat_interval_seconds=30, **changes)  # type: ignore[arg-type]  # as given
    return opamp.ServerToAgent(connection_settings=opamp.ConnectionSettingsOffers(hash=name.encode(), opamp=own))


def settings_statuses(server: OpampDouble, uid: bytes) -> list[int]:
    """Return the connection settings statuses an agent has reported, repeats left out."""
    found = [message.connection_settings_status.status for message in server.of(uid)]
    told = [status for status in found if status]
    return [status for place, status in enumerate(told) if not place or told[place - 1] != status]


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_a_new_credential_is_tried_and_kept(transport: Transport) -> None:
    """The agent comes back with it, and says APPLIED once it was answered on it."""
    async with opamp_double() as server:
        options = fleet_options(server, agents=1, transport=transport, accept_settings=True)
        fleet = Fleet(options)
        server.replies[fleet.agents[0].uid] = bearer("own")
        async with fleet:
            uid = fleet.agents[0].uid
            await eventually(lambda: settings_statuses(server, uid)[-1:] == [opamp.ConnectionSettingsStatuses_APPLIED])

            assert settings_statuses(server, uid)[0] == opamp.ConnectionSettingsStatuses_APPLYING
            assert server.requests[0]["authorization"] == "Bearer oet_1_s"
            assert server.requests[-1]["authorization"] == "Bearer own"


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_a_credential_that_is_refused_is_given_up(transport: Transport) -> None:
    """The agent goes back to the one it had and says FAILED, with the reason."""
    async with opamp_double() as server:
        options = fleet_options(server, agents=1, transport=transport, accept_settings=True)
        async with Fleet(options) as fleet:
            uid = fleet.agents[0].uid
            await eventually(lambda: server.of(uid))
            server.refused_bearers.add("Bearer stolen")
            server.replies[uid] = bearer("stolen")
            fleet.report(0)

            await eventually(lambda: settings_statuses(server, uid)[-1:] == [opamp.ConnectionSettingsStatuses_FAILED])

            assert "Bearer stolen" in [request.get("authorization") for request in server.requests]
            assert server.requests[-1]["authorization"] == "Bearer oet_1_s"
            errors = [message.connection_settings_status.error_message for message in server.of(uid)]
            assert "401" in [error for error in errors if error][-1]


async def test_an_endpoint_that_does_not_exist_is_given_up() -> None:
    """After a few attempts the agent is back where it was."""
    async with opamp_double() as server:
        async with Fleet(fleet_options(server, agents=1, accept_settings=True)) as fleet:
            uid = fleet.agents[0].uid
            await eventually(lambda: server.of(uid))
            server.replies[uid] = bearer("own", destination_endpoint="ws://127.0.0.1:9/v1/opamp")
            fleet.report(0)

            await eventually(lambda: settings_statuses(server, uid)[-1:] == [opamp.ConnectionSettingsStatuses_FAILED])

            await eventually(lambda: fleet.agents[0].connected)


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_custom_messages_come_back(transport: Transport) -> None:
    """The agent's next message carries what it was sent."""
    async with opamp_double() as server:
        options = fleet_options(server, agents=1, transport=transport, custom_capabilities=("com.example.echo",))
        async with Fleet(options) as fleet:
            uid = fleet.agents[0].uid
            await eventually(lambda: server.of(uid))
            ask = opamp.CustomMessage(capability="com.example.echo", type="ask", data=b"hi")
            known = opamp.CustomCapabilities(capabilities=[ask.capability])
            server.replies[uid] = opamp.ServerToAgent(custom_message=ask, custom_capabilities=known)
            fleet.report(0)

            await eventually(lambda: any(m.HasField("custom_message") for m in server.of(uid)))

            assert [m.custom_message for m in server.of(uid) if m.HasField("custom_message")] == [ask]


async def test_a_given_heartbeat_interval_is_kept() -> None:
    """From the next beat on, without a new connection."""
    async with opamp_double() as server:
        options = fleet_options(server, agents=1, accept_settings=True, heartbeat_seconds=0.05)
        async with Fleet(options) as fleet:
            agent = fleet.agents[0]
            own = opamp.OpAMPConnectionSettings(heartbeat_interval_seconds=3600)
            offers = opamp.ConnectionSettingsOffers(hash=b"x", opamp=own)
            server.replies[agent.uid] = opamp.ServerToAgent(connection_settings=offers)

            await eventually(lambda: settings_statuses(server, agent.uid) == [opamp.ConnectionSettingsStatuses_APPLIED])

            assert agent.extras is not None
            assert agent.extras.slots.current.heartbeat_seconds == 3600
            assert server.connects == 1
