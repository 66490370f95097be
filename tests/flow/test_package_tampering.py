"""Somebody gets into the object store and changes a package: nobody is offered it, and somebody is told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import nats
import pytest
from depot import SECONDS, Depot

from contracts import subjects
from fleet.events.v1.package_pb2 import PackageEvent
from opampctl.simulate import Fleet, FleetOptions, PackageOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from nats.aio.msg import Msg

    from opampctl.simulate import SimulatedAgent
    from world.eventually import Eventually
    from world.platform import Platform

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def running(own_platform: Platform) -> Platform:
    """Give a platform that looks often at what it offers, and may be damaged."""
    await own_platform.start(settings={"PACKAGE_SERVICE_VET_INTERVAL_SECONDS": "1"})
    return own_platform


@pytest.fixture
def depot(running: Platform) -> Depot:
    """Give what a person does with packages."""
    return Depot(running)


def options_of(platform: Platform, place: str) -> FleetOptions:
    """Make the options of one agent that takes packages."""
    return FleetOptions(
        endpoint=platform.run_json["opamp_url"],
        token=platform.token,
        labels={"place": place},
        platforms=(("linux/amd64", 1.0),),
        packages=PackageOptions(install_seconds=0.01),
    )


def refused(depot: Depot, agent: SimulatedAgent, package: str) -> Callable[[], Awaitable[bool]]:
    """Make a question: is it said that the agent does not get a package because it is damaged?"""

    async def ask() -> bool:
        found = await depot.package_of(agent.uid_text, package)
        assert found is not None
        assert (found["state"], found["reported_version"]) == ("pending", ""), found
        return "damaged" in found["error_message"]

    return ask


def tamper(platform: Platform, checksum: str) -> None:
    """Change a file in the object store as somebody who got in there would: same size, other bytes."""
    server = platform.stack.s3
    assert server is not None
    objects: Path = server.folder / "objects"
    (blob,) = [path for path in objects.rglob(checksum) if path.is_file()]
    blob.write_bytes(b"\x7fELF" + b"!" * (blob.stat().st_size - 4))


@asynccontextmanager
async def damages(platform: Platform) -> AsyncIterator[list[PackageEvent]]:
    """Listen for packages that were found damaged, as an alerting system would."""
    heard: list[PackageEvent] = []

    async def hear(message: Msg) -> None:
        heard.append(PackageEvent.FromString(message.data))

    client = await nats.connect(platform.run_json["nats_url"])
    await client.subscribe(subjects.package_event("damaged", "default"), cb=hear)
    await client.flush(timeout=10)
    try:
        yield heard
    finally:
        await client.close()


async def test_tampered_file_is_never_offered(
    running: Platform, eventually: Eventually, depot: Depot, place: str
) -> None:
    """It is found before anybody hears of it, marked, told as an event; everything else goes on."""
    (package,) = await depot.publish(place, "1.0.0")
    tamper(running, package["checksum"])
    async with damages(running) as heard, Fleet(options_of(running, place)) as fleet:
        (agent,) = fleet.agents
        await depot.assign(place, place, selector={"place": place})
        await eventually(lambda: [each.file_id for each in heard] == [package["id"]], within=SECONDS)
        await depot.publish(f"{place}-good", "1.0.0")
        await depot.assign(f"{place}-good", f"{place}-good", selector={"place": place})
        await depot.until(agent.uid_text, f"{place}-good", state="installed")

        await eventually(refused(depot, agent, place), within=SECONDS)
        assert agent.packages is not None
        assert place not in agent.packages.of
        assert (await running.api.get(f"/packages/{package['id']}"))["damaged_at"] is not None
        assert len(heard) == 1

        again = await depot.publish(place, "1.0.0")
        assert again[0]["id"] == package["id"]
        await depot.until(agent.uid_text, place, state="installed", version="1.0.0")


async def test_file_tampered_with_later_is_taken_back(
    running: Platform, eventually: Eventually, depot: Depot, place: str
) -> None:
    """Who has it keeps it; whoever comes after it was found is not offered it."""
    (package,) = await depot.publish(place, "1.0.0")
    await depot.assign(place, place, selector={"place": place})
    async with damages(running) as heard, Fleet(options_of(running, place)) as first:
        await depot.until(first.agents[0].uid_text, place, state="installed")

        tamper(running, package["checksum"])
        await eventually(lambda: [each.file_id for each in heard] == [package["id"]], within=SECONDS)

        async with Fleet(options_of(running, place)) as second:
            (late,) = second.agents
            await eventually(refused(depot, late, place), within=SECONDS)
            assert late.packages is not None
            assert late.packages.of == {}
        kept = first.agents[0].packages
        assert kept is not None
        assert kept.versions == {place: "1.0.0"}
