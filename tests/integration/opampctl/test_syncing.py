"""Agents at work on packages: download, install, tell, fail as told, and keep what they have."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from opamp_double import OpampDouble, fleet_options, opamp_double

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import Failure, Fleet, PackageOptions, SimulatedAgent, Transport
from opampctl.simulate.packages import DOWNLOADING, FAILED, INSTALLED, INSTALLING, PENDING
from opampctl.simulate.syncing import Sync
from world.eventually import wait_until

QUICK = PackageOptions(install_seconds=0.0)
SECONDS = 30


async def met(server: OpampDouble, fleet: Fleet) -> list[SimulatedAgent]:
    """Wait until the server has heard every agent."""
    await wait_until(lambda: all(server.of(agent.uid) for agent in fleet.agents), within=SECONDS)
    return fleet.agents


async def ended(server: OpampDouble, fleet: Fleet, name: str, version: str) -> list[opamp.PackageStatus]:
    """Wait until every agent has told how a version ended; return what each said last."""

    def last() -> list[opamp.PackageStatus]:
        return [server.package_statuses(agent.uid, name)[-1] for agent in fleet.agents]

    def are() -> bool:
        said = [server.package_statuses(agent.uid, name)[-1:] for agent in fleet.agents]
        return all(
            each and each[0].status in {INSTALLED, FAILED} and each[0].server_offered_version == version
            for each in said
        )

    await wait_until(are, within=SECONDS)
    return last()


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_offered_package_is_downloaded_installed_and_told(transport: Transport) -> None:
    """With the headers offered; in order; only what downloads has details of that."""
    async with opamp_double() as server:
        options = fleet_options(server, agents=1, transport=transport, heartbeat_seconds=0.1, packages=QUICK)
        async with Fleet(options) as fleet:
            (agent,) = await met(server, fleet)
            await server.offer_packages(b"one", collector=server.package("1.0.0", b"program" * 100_000))

            (last,) = await ended(server, fleet, "collector", "1.0.0")

            said = server.package_statuses(agent.uid, "collector")
            order = [PENDING, DOWNLOADING, INSTALLING, INSTALLED]
            assert [order.index(each.status) for each in said] == sorted(order.index(each.status) for each in said)
            assert all(each.status == DOWNLOADING for each in said if each.HasField("download_details"))
            assert (last.agent_has_version, last.agent_has_hash) == ("1.0.0", b"hash of 1.0.0")
            assert server.of(agent.uid)[-1].instance_uid == agent.uid
            assert [(name, headers["authorization"]) for name, headers in server.fetches] == [
                ("1.0.0", "Bearer pft_ticket")
            ]
            assert fleet.snapshot().packages == {"collector 1.0.0": 1}


@pytest.mark.parametrize(("always", "downloads"), [(False, 1), (True, 3)])
async def test_file_is_shared_unless_told_otherwise(*, always: bool, downloads: int) -> None:
    """One verified download serves all agents of a process; or each downloads for itself."""
    async with opamp_double() as server:
        options = fleet_options(server, packages=PackageOptions(install_seconds=0.0, always_download=always))
        async with Fleet(options) as fleet:
            await met(server, fleet)
            await server.offer_packages(b"one", collector=server.package("1.0.0", b"program"))

            await ended(server, fleet, "collector", "1.0.0")

            assert len(server.fetches) == downloads
            assert fleet.snapshot().counters["packages_installed"] == 3


@pytest.mark.parametrize("failure", [Failure.DOWNLOAD, Failure.INSTALL])
async def test_agents_told_to_fail_keep_what_they_had(failure: Failure) -> None:
    """The chosen share, at the chosen version, with the chosen words; the others go on."""
    failing = PackageOptions(
        install_seconds=0.0, fail_share=0.34, failure=failure, fail_version="2.0.0", error="no room"
    )
    async with opamp_double() as server, Fleet(fleet_options(server, packages=failing)) as fleet:
        await met(server, fleet)
        await server.offer_packages(b"one", collector=server.package("1.0.0", b"old"))
        await ended(server, fleet, "collector", "1.0.0")

        await server.offer_packages(b"two", collector=server.package("2.0.0", b"new"))

        last = await ended(server, fleet, "collector", "2.0.0")
        outcomes = sorted((each.status, each.agent_has_version, each.error_message) for each in last)
        assert outcomes == [(INSTALLED, "2.0.0", ""), (INSTALLED, "2.0.0", ""), (FAILED, "1.0.0", "no room")]


async def test_agent_may_be_sick_with_what_it_installed() -> None:
    """Installed, but unhealthy until the previous version is back."""
    sick = PackageOptions(install_seconds=0.0, fail_share=1, failure=Failure.HEALTH, fail_version="2.0.0")
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1, packages=sick)) as fleet:
        (agent,) = await met(server, fleet)
        await server.offer_packages(b"two", collector=server.package("2.0.0", b"new"))
        (last,) = await ended(server, fleet, "collector", "2.0.0")
        assert last.status == INSTALLED
        await wait_until(lambda: [m.health.healthy for m in server.of(agent.uid) if m.HasField("health")][-1] is False)

        await server.offer_packages(b"one", collector=server.package("1.0.0", b"old"))
        await ended(server, fleet, "collector", "1.0.0")

        await wait_until(lambda: [m.health.healthy for m in server.of(agent.uid) if m.HasField("health")][-1] is True)


async def test_packages_stay_over_a_reconnect() -> None:
    """The full state of the next connection lists them, and nothing is downloaded again."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1, packages=QUICK)) as fleet:
        (agent,) = await met(server, fleet)
        await server.offer_packages(b"one", collector=server.package("1.0.0", b"program"))
        await ended(server, fleet, "collector", "1.0.0")

        fleet.drop(0)

        await wait_until(lambda: server.connects == 2 and agent.connected, within=SECONDS)
        await wait_until(lambda: server.of(agent.uid)[-1].HasField("agent_description"), within=SECONDS)
        again = server.of(agent.uid)[-1].package_statuses
        assert again.packages["collector"].agent_has_version == "1.0.0"
        assert again.server_provided_all_packages_hash == b"one"
        await server.offer_packages(b"one", collector=server.package("1.0.0", b"program"))
        await wait_until(lambda: agent.packages is not None and agent.packages.offers == 2, within=SECONDS)
        assert len(server.fetches) == 1


async def test_newer_offer_takes_the_place_of_the_one_under_way() -> None:
    """What is being installed is given up for it."""
    slow = PackageOptions(install_seconds=3600)
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1, packages=slow)) as fleet:
        (agent,) = await met(server, fleet)
        await server.offer_packages(b"one", collector=server.package("1.0.0", b"old"))
        await wait_until(
            lambda: [each.status for each in server.package_statuses(agent.uid, "collector")][-1:] == [INSTALLING],
            within=SECONDS,
        )

        await server.offer_packages(b"none")

        await wait_until(
            lambda: server.of(agent.uid)[-1].package_statuses.server_provided_all_packages_hash == b"none",
            within=SECONDS,
        )
        assert agent.packages is not None
        assert agent.packages.of == {}


async def test_file_of_another_content_is_refused() -> None:
    """The words are the same for every agent, so that failures can be counted by them."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=2, packages=QUICK)) as fleet:
        await met(server, fleet)
        package = server.package("1.0.0", b"program")
        package.file.content_hash = hashlib.sha256(b"another").digest()
        await server.offer_packages(b"one", collector=package)

        last = await ended(server, fleet, "collector", "1.0.0")

        assert {each.status for each in last} == {FAILED}
        assert len({each.error_message for each in last}) == 1
        assert "differs from content_hash" in last[0].error_message


async def test_fleets_without_packages_have_nothing_to_sync() -> None:
    """Asking for it anyway is a mistake of the program."""
    async with opamp_double() as server, Fleet(fleet_options(server, agents=1)) as fleet:
        stage = fleet._stage
        assert stage is not None

        with pytest.raises(RuntimeError, match="take no packages"):
            Sync(fleet.agents[0], stage, lambda: None)
        await asyncio.sleep(0)
