"""A whole fleet against an OpAMP server in the same test."""

from __future__ import annotations

import asyncio
import resource

import pytest
from opamp_double import OpampDouble, fleet_options, opamp_double

from opampctl.simulate import Fleet, FleetOptions, TooManyAgentsError
from world.eventually import wait_until as eventually


async def test_churn_breaks_and_restores_connections() -> None:
    """Churning agents break off and are back within their time away."""
    async with opamp_double() as server:
        chosen = fleet_options(server, agents=5, churn_per_second=100.0, churn_away_seconds=0.05)
        async with Fleet(chosen) as fleet:
            await eventually(lambda: fleet.snapshot().counters["reconnects"] > 5)

            assert fleet.snapshot().counters["churned"] > 5


async def test_run_ends_after_its_duration_and_says_goodbye() -> None:
    """`run` returns the state before the goodbye, and every agent has said it."""
    async with opamp_double() as server:
        fleet = Fleet(fleet_options(server))

        snapshot = await fleet.run(3)

        assert snapshot.connected == 3
        await eventually(lambda: sum(message.HasField("agent_disconnect") for message in server.messages) == 3)
        assert not any(agent.connected for agent in fleet.agents)


async def test_too_many_agents_are_refused_before_any_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet beyond the descriptor limit is refused with how to split it."""
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (300, 300))
    fleet = Fleet(FleetOptions(agents=500))

    with pytest.raises(TooManyAgentsError, match=r"--processes 3"):
        await fleet.run(0.1)


async def test_errors_of_the_caller_are_not_wrapped() -> None:
    """What fails inside `async with` arrives as it was raised."""

    async def use(server: OpampDouble) -> None:
        async with Fleet(fleet_options(server)):
            message = "mine"
            raise LookupError(message)

    async with opamp_double() as server:
        with pytest.raises(LookupError, match="mine"):
            await use(server)


async def test_an_error_of_the_caller_leaves_no_connection() -> None:
    """Nobody says goodbye then, and nothing stays open."""

    async def use(fleet: Fleet) -> None:
        async with fleet:
            await fleet.wait_connected()
            raise LookupError

    async with opamp_double() as server:
        with pytest.raises(LookupError):
            await use(Fleet(fleet_options(server)))

        await eventually(lambda: not server.sockets)
        assert not any(message.HasField("agent_disconnect") for message in server.messages)


async def test_a_certificate_may_be_asked_for_at_any_time() -> None:
    """By agents made for it; others have no word for it."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1, csr=True)) as fleet:
        await fleet.wait_connected()

        fleet.request_certificate(0)

        await eventually(lambda: any(m.HasField("connection_settings_request") for m in server.messages))
    with pytest.raises(RuntimeError, match="no connection settings"):
        Fleet(FleetOptions()).request_certificate(0)


async def test_unknown_host_is_an_os_error() -> None:
    """A host nobody knows ends the run at once."""
    with pytest.raises(OSError, match=r"(?i)name|address"):
        await Fleet(FleetOptions(endpoint="ws://no-such-host.invalid:4320")).run(1)


async def test_waiting_for_agents_ends() -> None:
    """Waiting for agents that never come ends with a TimeoutError."""
    async with Fleet(FleetOptions(endpoint="ws://127.0.0.1:9")) as fleet:
        with pytest.raises(TimeoutError):
            await fleet.wait_connected(within_seconds=0.1)


async def test_same_seed_gives_the_same_fleet() -> None:
    """Ids and attributes repeat; the first index continues a numbering."""
    one = Fleet(FleetOptions(agents=4, uid_seed="demo"))
    two = Fleet(FleetOptions(agents=2, uid_seed="demo", first_index=2))

    assert [agent.uid for agent in one.agents[2:]] == [agent.uid for agent in two.agents]
    assert one.agents[3].attributes == two.agents[1].attributes


async def test_stop_ends_an_endless_run() -> None:
    """`stop` from anywhere ends `run` with its summary."""
    async with opamp_double() as server:
        fleet = Fleet(fleet_options(server))
        running = asyncio.ensure_future(fleet.run())
        await fleet.wait_connected()

        fleet.stop()

        assert (await running).connected == 3
