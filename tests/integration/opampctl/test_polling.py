"""Agents that poll over plain HTTP."""

from __future__ import annotations

import pytest
from opamp_double import fleet_options, opamp_double

from opampctl.simulate import Fleet, FleetOptions, Transport, polling
from world.eventually import wait_until as eventually


async def test_poll_failure_repeats_the_full_state() -> None:
    """After a refused poll the next one carries everything again."""
    async with opamp_double() as server:
        server.refusals = [(500, None)]
        async with Fleet(fleet_options(server, agents=1, transport=Transport.HTTP)) as fleet:
            await fleet.wait_connected()

            assert server.messages[0].HasField("agent_description")
            assert server.messages[0].sequence_num == 1
            assert fleet.snapshot().errors == {"http_500": 1}


async def test_mixed_fleet_uses_both_transports() -> None:
    """A mixed fleet polls with its share and holds sockets with the rest; a poll names the agent in a header."""
    async with opamp_double() as server:
        chosen = fleet_options(server, agents=10, transport=Transport.MIXED, http_share=0.3)
        async with Fleet(chosen) as fleet:
            await fleet.wait_connected()

            snapshot = fleet.snapshot()
            assert (snapshot.websocket, snapshot.http) == (7, 3)
            polls = {request["opamp-instance-uid"] for request in server.requests if "opamp-instance-uid" in request}
            assert polls == {agent.uid_text for agent in fleet.agents if agent.uses_http}


async def test_large_polls_are_compressed() -> None:
    """A body worth it is sent gzipped, with the header that says so."""
    async with opamp_double() as server:
        chosen = fleet_options(server, agents=1, transport=Transport.HTTP)
        async with Fleet(chosen) as fleet:
            await fleet.wait_connected()

            assert server.requests[0]["content-encoding"] == "gzip"
            assert server.messages[0].HasField("health")


async def test_answer_of_another_type_is_refused() -> None:
    """An answer that is not application/x-protobuf counts as a failed poll."""
    async with opamp_double() as server:
        server.refusals = [(200, None)]
        async with Fleet(fleet_options(server, agents=1, transport=Transport.HTTP)) as fleet:
            await fleet.wait_connected()

            assert fleet.snapshot().errors == {"wrong_content_type": 1}


async def test_poll_waits_as_asked() -> None:
    """Retry-After of a 429 is honoured."""
    async with opamp_double() as server:
        server.refusals = [(429, "1")]
        async with Fleet(fleet_options(server, agents=1, transport=Transport.HTTP)) as fleet:
            await fleet.wait_connected()

            assert fleet.snapshot().elapsed_seconds >= 1.0
            assert fleet.snapshot().errors == {"http_429": 1}


async def test_one_poll_at_a_time() -> None:
    """However much there is to say, an agent never has two requests under way (C-020)."""
    async with opamp_double() as server:
        chosen = fleet_options(server, agents=1, transport=Transport.HTTP, heartbeat_seconds=0.01)
        async with Fleet(chosen) as fleet:
            await fleet.wait_connected()
            for number in range(20):
                fleet.report(0)
                fleet.set_health(0, healthy=bool(number % 2))
                fleet.beat(0)
            await eventually(lambda: len(server.messages) > 10)

            assert server.most_at_once == 1


async def test_polling_agent_may_leave_and_come_back() -> None:
    """A dropped polling agent is silent while away; with a goodbye the server is told."""
    async with opamp_double() as server:
        chosen = fleet_options(server, agents=1, transport=Transport.HTTP)
        async with Fleet(chosen) as fleet:
            await fleet.wait_connected()

            fleet.drop(0, goodbye=True, away_seconds=0.05)

            assert not fleet.agents[0].connected
            await eventually(lambda: fleet.agents[0].connected)
            await eventually(lambda: any(message.HasField("agent_disconnect") for message in server.messages))
            await eventually(lambda: fleet.snapshot().counters["reconnects"] == 1)


async def test_unreachable_server_is_tried_again() -> None:
    """Polls nobody answers are counted by kind."""
    chosen = FleetOptions(endpoint="http://127.0.0.1:9", transport=Transport.HTTP)
    async with Fleet(chosen) as fleet:
        await eventually(lambda: fleet.snapshot().errors.get("ClientConnectorError", 0) >= 2)


async def test_answer_over_the_limit_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body longer than an agent takes counts as no answer, however it was packed (C-035)."""
    monkeypatch.setattr(polling, "MAX_MESSAGE_BYTES", 10)
    async with opamp_double() as server:
        async with Fleet(fleet_options(server, agents=1, transport=Transport.HTTP)) as fleet:
            await eventually(lambda: fleet.snapshot().errors.get("answer_too_large"))

            assert not fleet.agents[0].connected
