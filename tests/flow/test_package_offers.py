"""Somebody says who should have a package; agents download and install it, say how it went, and the API shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from depot import PLATFORMS, SECONDS, Depot

from opampctl.simulate import Failure, Fleet, FleetOptions, PackageOptions, Transport

if TYPE_CHECKING:
    from opampctl.simulate import SimulatedAgent
    from world.eventually import Eventually
    from world.platform import Platform

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def depot(running: Platform) -> Depot:
    """Give what a person does with packages."""
    return Depot(running)


def options_of(platform: Platform, place: str, **changes: Any) -> FleetOptions:
    """Make the options of agents that take packages, at a place of their own."""
    chosen: dict[str, Any] = {
        "endpoint": platform.run_json["opamp_url"],
        "token": platform.token,
        "heartbeat_seconds": 1.0,
        "labels": {"place": place},
        "platforms": (("linux/amd64", 1.0),),
        "packages": PackageOptions(install_seconds=0.01),
    }
    return FleetOptions(**chosen | changes)


def has(agent: SimulatedAgent) -> dict[str, str]:
    """Tell which packages an agent has."""
    assert agent.packages is not None
    return agent.packages.versions


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_assigned_package_is_installed(running: Platform, depot: Depot, place: str, transport: Transport) -> None:
    """Each agent gets the file for its platform, once; the API shows version, state and hashes."""
    platforms = tuple((each, 1.0) for each in PLATFORMS)
    await depot.publish(place, "1.9.0", PLATFORMS)
    files = {f"{each['platform']}/{each['arch']}": each for each in await depot.publish(place, "1.10.0", PLATFORMS)}
    assignment = await depot.assign(place, place, selector={"place": place})

    async with Fleet(options_of(running, place, agents=8, transport=transport, platforms=platforms)) as fleet:
        await depot.until_states(assignment, installed=8)

        for agent in fleet.agents:
            shown = await depot.until(agent.uid_text, place, state="installed", reported_version="1.10.0")
            described = f"{agent.attributes['os.type']}/{agent.attributes['host.arch']}"
            assert shown["package_id"] == files[described]["id"]
            assert shown["assignment_id"] == assignment["id"]
            assert has(agent) == {place: "1.10.0"}
            whole = await running.api.get(f"/agents/{agent.uid_text}/packages")
            assert whole["desired_hash"] == whole["reported_hash"] != ""
            assert whole["accepts"]
        assert fleet.snapshot().counters["package_downloads"] == len(PLATFORMS)
    await running.api.delete(f"/package-assignments/{assignment['id']}")


async def test_newer_version_reaches_agents_and_removal_too(running: Platform, depot: Depot, place: str) -> None:
    """`latest` follows what is published; pre-releases are for the beta channel; what is offered no more goes."""
    await depot.publish(place, "1.0.0")
    stable = await depot.assign(place, place, selector={"place": place})
    beta = await depot.assign(f"{place}-beta", place, channel="beta", selector={"place": place}, enabled=False)
    async with Fleet(options_of(running, place)) as fleet:
        (agent,) = fleet.agents
        await depot.until(agent.uid_text, place, state="installed", version="1.0.0")

        await depot.publish(place, "1.1.0")
        await depot.until(agent.uid_text, place, state="installed", version="1.1.0", assignment=place)
        await depot.publish(place, "1.2.0-rc.1")
        await depot.change(beta, enabled=True, priority=1)
        await depot.until(agent.uid_text, place, state="installed", version="1.2.0-rc.1", assignment=f"{place}-beta")
        await running.api.delete(f"/package-assignments/{beta['id']}")
        await depot.until(agent.uid_text, place, state="installed", version="1.1.0", assignment=place)
        assert has(agent) == {place: "1.1.0"}

        await running.api.delete(f"/package-assignments/{stable['id']}")
        await depot.gone(agent.uid_text, place)
        assert has(agent) == {}


async def test_agents_that_take_no_packages_are_left_alone(running: Platform, depot: Depot, place: str) -> None:
    """They are told nothing, and nothing waits for them."""
    await depot.publish(place, "1.0.0")
    assignment = await depot.assign(place, place, selector={"place": place})
    async with (
        Fleet(options_of(running, place, packages=None)) as plain,
        Fleet(options_of(running, place)) as other,
    ):
        await depot.until(other.agents[0].uid_text, place, state="installed")

        assert plain.snapshot().counters["package_offers"] == 0
        assert (await running.api.get(f"/agents/{plain.agents[0].uid_text}/packages"))["accepts"] is False
    await running.api.delete(f"/package-assignments/{assignment['id']}")


async def test_failed_package_waits_until_it_is_asked_for(
    running: Platform, eventually: Eventually, depot: Depot, place: str
) -> None:
    """It is not offered again by itself, whatever else happens; the agent's words are shown; a retry heals it."""
    await depot.publish(place, "1.0.0")
    assignment = await depot.assign(place, place, selector={"place": place})
    failing = PackageOptions(install_seconds=0.01, fail_share=1, failure=Failure.INSTALL, error="no room")
    async with Fleet(options_of(running, place, packages=failing)) as fleet:
        (agent,) = fleet.agents
        failed = await depot.until(agent.uid_text, place, state="failed", error_message="no room")
        assert failed["given_up"]
        assert failed["reported_version"] == ""

        fleet.drop(0)
        await eventually(lambda: agent.connected and agent.connections == 2, within=SECONDS)
        await depot.publish(f"{place}-other", "1.0.0")
        other = await depot.assign(f"{place}-other", f"{place}-other", selector={"place": place})
        agent.fails_packages = False
        await depot.until(agent.uid_text, f"{place}-other", state="installed")
        assert has(agent) == {f"{place}-other": "1.0.0"}
        again = await depot.until(agent.uid_text, place, state="failed")
        assert again["since"] == failed["since"]

        await running.api.post(f"/agents/{agent.uid_text}/packages/{place}/retry")

        await depot.until(agent.uid_text, place, state="installed", version="1.0.0", given_up=False)
        tries = (await running.api.get("/package-attempts", agent_id=agent.uid_text, package=place))["attempts"]
        assert [each["state"] for each in tries] == ["installed", "failed"]
        assert tries[0]["requested_by"] == running.run_json["admin_user"]
    for each in (assignment, other):
        await running.api.delete(f"/package-assignments/{each['id']}")


async def test_package_survives_restarts_of_either_side(
    running: Platform, eventually: Eventually, depot: Depot, place: str
) -> None:
    """Neither a reconnect nor a restarted package-service makes an agent fetch again what it has."""
    await depot.publish(place, "1.0.0")
    assignment = await depot.assign(place, place, selector={"place": place})
    async with Fleet(options_of(running, place)) as fleet:
        (agent,) = fleet.agents
        await depot.until(agent.uid_text, place, state="installed")
        downloads = fleet.snapshot().counters["package_downloads"]

        running.kill("package-service")
        fleet.drop(0)
        await eventually(lambda: agent.connected and agent.connections == 2, within=SECONDS)
        await running.restart("package-service")
        await depot.publish(f"{place}-next", "1.0.0")
        following = await depot.assign(f"{place}-next", f"{place}-next", selector={"place": place})
        await depot.until(agent.uid_text, f"{place}-next", state="installed")

        assert has(agent) == {place: "1.0.0", f"{place}-next": "1.0.0"}
        assert fleet.snapshot().counters["package_downloads"] == downloads + 1
    for each in (assignment, following):
        await running.api.delete(f"/package-assignments/{each['id']}")
