"""
A real OpenTelemetry Collector under opampsupervisor: it runs what the platform sends, and survives what it cannot run.

Both are built by `make interop`; OPAMP_SUPERVISOR and OPAMP_COLLECTOR name others. The file is the README's.
"""

from __future__ import annotations

import pytest
from collectors import LABEL, pipeline
from readme import READMES
from sight import Sight
from supervised import Supervisors, applied, attempts, ended, runs

from world.platform import Platform

GATEWAY = "opamp-gateway-1"
UNKNOWN = "receiver_nobody_has"

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("readme", READMES)
async def test_supervisor_with_the_file_of_the_readme(
    platform: Platform, supervisors: Supervisors, readme: str
) -> None:
    """It is listed, its Collector runs the configuration that matches it and a change of it, each offered once."""
    sight = Sight(platform, LABEL, f"supervisor-{readme.split('.')[1].lower()}")

    supervisor = supervisors.start(sight.name, readme)

    await sight.until("listed", link="connected", transport="websocket")
    first = await sight.store(pipeline(10))
    await applied(sight, first, 10)
    second = await sight.store(pipeline(20))
    agent = await applied(sight, second, 20)
    assert {"AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsHeartbeat"} <= set(agent["capabilities"])
    await sight.until_it_has("receivers", "otlp")
    for each in (first, second):
        assert await attempts(platform, agent, each) == [("applied", 1)]
    assert ended(supervisor) == 0
    await sight.until("gone", status="offline", disconnect_reason="agent disconnect")


async def test_supervisor_over_http(platform: Platform, supervisors: Supervisors) -> None:
    """Polling, it receives and runs its configuration just as well."""
    sight = Sight(platform, LABEL, "supervisor-http")
    config_hash = await sight.store(pipeline(10))

    supervisor = supervisors.start(sight.name, over_http=True)

    agent = await applied(sight, config_hash, 10)
    assert agent["transport"] == "http"
    assert ended(supervisor) == 0


async def test_supervisor_refuses_a_configuration(platform: Platform, supervisors: Supervisors) -> None:
    """The Collector never stops: what the validator said is shown, it is not offered again, the next one heals it."""
    sight = Sight(platform, LABEL, "supervisor-refuses")
    good = await sight.store(pipeline(10))
    supervisor = supervisors.start(sight.name)
    await applied(sight, good, 10)

    bad = await sight.store(pipeline(11, receiver=UNKNOWN))
    agent = await sight.until("failed", status="error", config_state="failed", remote_config_hash=bad)
    assert UNKNOWN in agent["config_error"]
    assert agent["health_state"] == "healthy"
    assert await runs(sight, 10)

    mended = await sight.store(pipeline(20))
    agent = await applied(sight, mended, 20)
    assert await attempts(platform, agent, bad) == [("failed", 1)]
    assert ended(supervisor) == 0


async def test_supervisor_whose_collector_dies_of_a_configuration(platform: Platform, supervisors: Supervisors) -> None:
    """Without validation the Collector exits: failed with the exit code, ill, not offered again; a good one heals."""
    sight = Sight(platform, LABEL, "supervisor-crashes")
    good = await sight.store(pipeline(10))
    supervisor = supervisors.start(sight.name, validate_config=False)
    await applied(sight, good, 10)

    bad = await sight.store(pipeline(11, receiver=UNKNOWN))
    agent = await sight.until(
        "failed", status="error", config_state="failed", remote_config_hash=bad, health_state="unhealthy"
    )
    assert "exit code 1" in agent["config_error"]
    assert "exited unexpectedly" in agent["health_error"]

    mended = await sight.store(pipeline(20))
    agent = await applied(sight, mended, 20)
    assert await attempts(platform, agent, bad) == [("failed", 1)]
    assert ended(supervisor) == 0


async def test_supervisor_over_a_server_restart(platform: Platform, supervisors: Supervisors) -> None:
    """The gateway is killed and the configuration changes meanwhile: the Collector keeps running, then changes."""
    sight = Sight(platform, LABEL, "supervisor-server-restart")
    old = await sight.store(pipeline(10))
    supervisor = supervisors.start(sight.name)
    await sight.until_it_has("receivers", "otlp")
    before = await applied(sight, old, 10)

    platform.kill(GATEWAY)
    new = await sight.store(pipeline(20))
    await platform.restart(GATEWAY)

    after = await applied(sight, new, 20)
    same = ("id", "name", "version", "labels", "capabilities", "components")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert await attempts(platform, after, old) == [("applied", 1)]
    assert await attempts(platform, after, new) == [("applied", 1)]
    assert ended(supervisor) == 0


async def test_supervisor_restarted_with_its_storage(platform: Platform, supervisors: Supervisors) -> None:
    """It is the same agent, says at once what it applied, and is offered nothing."""
    sight = Sight(platform, LABEL, "supervisor-restarted")
    config_hash = await sight.store(pipeline(10))
    supervisor = supervisors.start(sight.name)
    before = await applied(sight, config_hash, 10)
    assert ended(supervisor) == 0
    await sight.until("gone", status="offline")

    again = supervisors.start(sight.name)

    after = await applied(sight, config_hash, 10)
    assert after["id"] == before["id"]
    assert await attempts(platform, after, config_hash) == [("applied", 1)]
    assert ended(again) == 0
