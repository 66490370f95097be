"""A fleet in several processes, seen as one."""

from __future__ import annotations

import asyncio
import os
import signal

import psutil
import pytest
from opamp_double import fleet_options, opamp_double, remote_config

from opampctl.simulate import Fleet, FleetOfProcesses, FleetOptions, TooManyAgentsError
from opampctl.simulate.processes import split
from world.eventually import wait_until as eventually


def test_parts_are_the_whole() -> None:
    """Agents, numbers, rates and rejecting agents add up to those of the whole fleet."""
    whole = FleetOptions(agents=10, reject=5, connect_rate=100, churn_per_second=10, uid_seed="demo", first_index=7)

    parts = split(whole, 3)

    assert [(part.first_index, part.agents, part.reject) for part in parts] == [(7, 4, 4), (11, 3, 1), (14, 3, 0)]
    assert sum(part.connect_rate for part in parts) == pytest.approx(100)
    assert sum(part.churn_per_second for part in parts) == pytest.approx(10)
    uids = [agent.uid for part in parts for agent in Fleet(part).agents]
    assert uids == [agent.uid for agent in Fleet(whole).agents]


def test_large_fleets_on_this_machine_use_several_addresses() -> None:
    """One address has ports for 25,000 agents; beyond it each part has its own, unless addresses were given."""
    large = FleetOptions(agents=60_000)
    assert [part.source_addresses for part in split(large, 3)] == [("127.0.0.2",), ("127.0.0.3",), ("127.0.0.4",)]
    assert split(FleetOptions(agents=60_000, endpoint="ws://example.com"), 3)[0].source_addresses == ()
    assert split(FleetOptions(agents=20_000), 2)[0].source_addresses == ()
    given = FleetOptions(agents=60_000, source_addresses=("127.0.0.9",))
    assert split(given, 3)[2].source_addresses == ("127.0.0.9",)


@pytest.mark.parametrize("processes", [0, 4])
def test_impossible_splits_are_refused(processes: int) -> None:
    """Every part has an agent."""
    with pytest.raises(ValueError, match="number of processes"):
        split(FleetOptions(agents=3), processes)


async def test_parts_run_together_and_say_goodbye() -> None:
    """All agents of all parts connect, apply, and say goodbye when the fleet is stopped."""
    async with opamp_double() as server, asyncio.TaskGroup() as tasks:
        server.desired = remote_config("a: 1")
        fleet = FleetOfProcesses(fleet_options(server, agents=5, reject=1), 2)
        running = tasks.create_task(fleet.run())

        def outcome() -> tuple[int, int, int]:
            now = fleet.snapshot()
            return now.connected, now.applied, now.failed

        await eventually(lambda: outcome() == (5, 4, 1), within=60)

        fleet.stop()
        summary = await running

        assert (summary.connected, summary.applied, summary.failed) == (5, 4, 1)
        assert summary.latencies["connect"]["count"] == 5
        await eventually(lambda: sum(message.HasField("agent_disconnect") for message in server.messages) == 5)


async def test_a_killed_part_does_not_hold_up_the_others() -> None:
    """When one process dies the rest goes on and ends in time; what it last reported stays counted."""
    async with opamp_double() as server, asyncio.TaskGroup() as tasks:
        fleet = FleetOfProcesses(fleet_options(server, agents=4), 2)
        running = tasks.create_task(fleet.run())
        await eventually(lambda: fleet.snapshot().connected == 4, within=60)
        parts = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]

        os.kill(parts[0].pid, signal.SIGKILL)
        await eventually(lambda: len(server.sockets) == 2)
        fleet.stop()

        assert (await running).agents == 4


async def test_failure_of_a_part_is_told() -> None:
    """An unknown host ends every part, and the caller hears of it as of a fleet in one process."""
    fleet = FleetOfProcesses(FleetOptions(agents=2, endpoint="ws://no-such-host.invalid"), 2)
    with pytest.raises(OSError, match=r"(?i)name|address"):
        await fleet.run()


async def test_too_large_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts over the limit are refused before any process starts."""
    monkeypatch.setattr("resource.getrlimit", lambda _kind: (300, 300))
    with pytest.raises(TooManyAgentsError):
        await FleetOfProcesses(FleetOptions(agents=1000), 2).run()
