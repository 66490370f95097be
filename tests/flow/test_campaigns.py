"""
A fleet moves from one version to the next in stages; too many failures halt it, and the rest go on when told to.

CAMPAIGN_AGENTS=1000 makes the fleet larger; the rules are the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from depot import PLATFORMS, Depot

from opampctl.simulate import Failure, Fleet, FleetOptions, PackageOptions, Transport
from world.eventually import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from world.platform import Platform

AGENTS = max(40, int(os.environ.get("CAMPAIGN_AGENTS", "60")))
SECONDS = 120.0 + AGENTS / 2
"""Until a fleet must have done something; how long it takes is not what is tested."""

OLD, NEW = "1.0.0", "2.0.0"
WORDS = "could not install: the new program exited with status 1"

pytestmark = pytest.mark.timeout(300 + 4 * SECONDS)


@pytest.fixture
def depot(running: Platform) -> Depot:
    """Give what a person does with packages."""
    return Depot(running)


def options_of(platform: Platform, place: str, agents: int, **packages: Any) -> FleetOptions:
    """Make the options of a fleet on mixed platforms that fails with the new version only."""
    return FleetOptions(
        endpoint=platform.run_json["opamp_url"],
        token=platform.token,
        agents=agents,
        transport=Transport.MIXED,
        heartbeat_seconds=5.0,
        labels={"place": place},
        platforms=tuple((each, 1.0) for each in PLATFORMS),
        packages=PackageOptions(install_seconds=0.05, fail_version=NEW, **packages),
    )


class Campaign:
    """One campaign as a person sees it."""

    def __init__(self, platform: Platform, found: Mapping[str, Any]) -> None:
        self._platform = platform
        self._path = f"/campaigns/{found['id']}"

    async def show(self) -> dict[str, Any]:
        """Look at it."""
        found: dict[str, Any] = await self._platform.api.get(self._path)
        return found

    async def steer(self, action: str) -> None:
        """Start, pause, resume or abort it."""
        await self._platform.api.post(f"{self._path}/{action}")

    async def until(self, *states: str) -> dict[str, Any]:
        """Wait until it is in one of these states."""

        async def is_there() -> dict[str, Any]:
            found = await self.show()
            assert found["state"] in states, found
            return found

        found: dict[str, Any] = await wait_until(is_there, SECONDS, describe=f"the campaign is {' or '.join(states)}")
        return found

    async def failures(self) -> dict[str, Any]:
        """Ask who failed, by words."""
        found: dict[str, Any] = await self._platform.api.get(f"{self._path}/failures")
        return found


async def begin(
    platform: Platform, depot: Depot, place: str, agents: int, **plan: Any
) -> tuple[dict[str, Any], Campaign]:
    """Publish two versions, bring the first to everybody, and make a campaign for the second."""
    await depot.publish(place, OLD, PLATFORMS)
    await depot.publish(place, NEW, PLATFORMS)
    assignment = await depot.assign(place, place, version=OLD, selector={"place": place})
    await depot.until_states(assignment, installed=agents)
    draft = {"name": place, "assignment_id": assignment["id"], "to_version": NEW, "timeout_seconds": 600, **plan}
    return assignment, Campaign(platform, await platform.api.post("/campaigns", draft))


def with_version(fleet: Fleet, place: str, version: str) -> set[str]:
    """Name the agents that have a version."""
    return {
        agent.uid_text
        for agent in fleet.agents
        if agent.packages is not None and agent.packages.versions.get(place) == version
    }


async def until_old(fleet: Fleet, place: str, uids: set[str]) -> None:
    """Wait until these agents have the old version."""
    await wait_until(lambda: with_version(fleet, place, OLD) >= uids, SECONDS, describe="they are put back")


async def test_fleet_moves_in_stages_halts_and_goes_on(running: Platform, depot: Depot, place: str) -> None:
    """One in twenty fails: it halts at its threshold, names them by their words, and moves the rest when resumed."""
    async with Fleet(options_of(running, place, AGENTS, fail_share=0.05, error=WORDS)) as fleet:
        doomed = {agent.uid_text for agent in fleet.agents if agent.fails_packages}
        threshold = max(2, len(doomed) // 2)
        assignment, campaign = await begin(
            running,
            depot,
            place,
            AGENTS,
            stages=[{"percent": 10}, {"percent": 50}, {"percent": 100}],
            max_in_flight=max(4, AGENTS // 10),
            watch_seconds=0,
            failure_threshold={"count": threshold},
            rollback=False,
        )
        await campaign.steer("start")

        halted = await campaign.until("halted")
        failures = await campaign.failures()
        (group,) = failures["failures"]
        assert (group["error_message"], group["count"]) == (WORDS, failures["total"])
        assert failures["total"] >= threshold
        assert set(group["agents"]) <= doomed
        assert halted["agents"]["failed"] == failures["total"]
        assert (await running.api.get(f"/package-assignments/{assignment['id']}"))["version"] == OLD

        while (await campaign.until("halted", "completed"))["state"] == "halted":
            await campaign.steer("resume")

        ended = await campaign.show()
        assert {state: count for state, count in ended["agents"].items() if count} == {
            "succeeded": AGENTS - len(doomed),
            "failed": len(doomed),
        }
        assert with_version(fleet, place, NEW) == {agent.uid_text for agent in fleet.agents} - doomed
        assert with_version(fleet, place, OLD) == doomed
        assert (await running.api.get(f"/package-assignments/{assignment['id']}"))["version"] == NEW
        (group,) = (await campaign.failures())["failures"]
        assert set(group["agents"]) == doomed


async def test_agents_that_fell_ill_get_the_previous_version(running: Platform, depot: Depot, place: str) -> None:
    """Health is part of the verdict; whoever failed is put back when it halts, and everybody when it is aborted."""
    agents = 10
    async with Fleet(options_of(running, place, agents, fail_share=0.2, failure=Failure.HEALTH)) as fleet:
        doomed = {agent.uid_text for agent in fleet.agents if agent.fails_packages}
        _, campaign = await begin(
            running,
            depot,
            place,
            agents,
            stages=[{"percent": 100}],
            max_in_flight=agents,
            watch_seconds=2,
            failure_threshold={"count": 1},
            rollback=True,
        )
        await campaign.steer("start")
        await campaign.until("halted")
        named = {uid for each in (await campaign.failures())["failures"] for uid in each["agents"]}
        assert named
        assert named <= doomed

        await until_old(fleet, place, named)
        await wait_until(lambda: all(agent.healthy for agent in fleet.agents if agent.uid_text in named), SECONDS)
        await campaign.steer("abort")

        await campaign.until("aborted")
        await wait_until(
            lambda: with_version(fleet, place, OLD) == {agent.uid_text for agent in fleet.agents},
            SECONDS,
            describe="everybody has the previous version",
        )


async def test_newcomers_wait_while_it_is_paused(running: Platform, depot: Depot, place: str) -> None:
    """Nobody gets the new version but by the campaign; there is one at a time; aborted, all are put back."""
    async with Fleet(options_of(running, place, 2)) as fleet:
        plan = {"stages": [{"percent": 50}, {"percent": 100}], "max_in_flight": 1, "watch_seconds": 3600}
        assignment, campaign = await begin(running, depot, place, 2, **plan, failure_threshold={"percent": 50})
        await campaign.steer("start")
        await wait_until(lambda: len(with_version(fleet, place, NEW)) == 1, SECONDS, describe="the first has moved")
        await campaign.steer("pause")

        async with Fleet(options_of(running, place, 1)) as newcomers:
            (newcomer,) = newcomers.agents
            await depot.until(newcomer.uid_text, place, state="installed", version=OLD)
            assert (await campaign.show())["state"] == "paused"
            assert len(with_version(fleet, place, NEW)) == 1
            draft = {"name": f"{place}-2", "assignment_id": assignment["id"], "to_version": NEW, **plan}
            second = await running.api.post("/campaigns", draft)
            refused = await running.api.ask("POST", f"/campaigns/{second['id']}/start")
            assert refused.status_code == httpx.codes.CONFLICT
        await campaign.steer("abort")
        await wait_until(lambda: len(with_version(fleet, place, OLD)) == 2, SECONDS, describe="all are put back")


async def test_those_that_fell_ill_stay_where_they_are_when_it_completes(
    running: Platform, depot: Depot, place: str
) -> None:
    """Resumed, it moves the rest; nobody that was put back is asked again by its end."""
    agents = 10
    async with Fleet(options_of(running, place, agents, fail_share=0.2, failure=Failure.HEALTH)) as fleet:
        doomed = {agent.uid_text for agent in fleet.agents if agent.fails_packages}
        plan = {"stages": [{"percent": 100}], "max_in_flight": agents, "watch_seconds": 2}
        assignment, campaign = await begin(
            running, depot, place, agents, **plan, failure_threshold={"count": 1}, rollback=True
        )
        await campaign.steer("start")
        while (await campaign.until("halted", "completed"))["state"] == "halted":
            named = {uid for each in (await campaign.failures())["failures"] for uid in each["agents"]}
            await until_old(fleet, place, named)
            await campaign.steer("resume")
        assert (await running.api.get(f"/package-assignments/{assignment['id']}"))["version"] == NEW

        await depot.publish(f"{place}-witness", OLD, PLATFORMS)
        witness = await depot.assign(f"{place}-witness", f"{place}-witness", selector={"place": place})
        await depot.until_states(witness, installed=agents)

        assert with_version(fleet, place, OLD) == doomed
        assert with_version(fleet, place, NEW) == {agent.uid_text for agent in fleet.agents} - doomed


async def test_assignment_stands_still_while_a_campaign_moves_it(running: Platform, depot: Depot, place: str) -> None:
    """Nobody pulls the ground away: what would end it by surprise is refused, with its name, until it has ended."""
    agents = 4
    async with Fleet(options_of(running, place, agents)) as fleet:
        plan = {"stages": [{"percent": 50}, {"percent": 100}], "max_in_flight": 1, "watch_seconds": 3600}
        assignment, campaign = await begin(running, depot, place, agents, **plan)
        await campaign.steer("start")
        await wait_until(lambda: len(with_version(fleet, place, NEW)) == 1, SECONDS, describe="the first has moved")

        path = f"/package-assignments/{assignment['id']}"
        for change in (
            {"enabled": False},
            {"selector": {"place": "elsewhere"}},
            {"version": "latest"},
        ):
            refused = await running.api.ask("PATCH", path, json=change)
            assert refused.status_code == httpx.codes.CONFLICT, refused.text
            assert place in refused.text
        assert (await running.api.ask("DELETE", path)).status_code == httpx.codes.CONFLICT

        shown = await campaign.show()
        assert shown["state"] == "running"
        assert (await running.api.get(path))["version"] == OLD
        await campaign.steer("abort")
        await depot.until_states(assignment, installed=agents)
        await depot.change(assignment, selector={"place": "elsewhere"})


async def test_what_failed_for_a_passing_reason_may_be_tried_again(running: Platform, depot: Depot, place: str) -> None:
    """A campaign somebody starts asks again; so does a retry, and says when there is nothing to ask for."""
    agents = 10
    async with Fleet(options_of(running, place, agents, fail_share=0.2, error=WORDS)) as fleet:
        plan = {"stages": [{"percent": 100}], "max_in_flight": agents, "watch_seconds": 0}
        assignment, campaign = await begin(
            running, depot, place, agents, **plan, failure_threshold={"count": 1}, rollback=True
        )
        await campaign.steer("start")
        await campaign.until("halted")
        failed = (await campaign.failures())["failures"][0]["agents"][0]
        await campaign.steer("abort")
        await campaign.until("aborted")
        await depot.until_states(assignment, installed=agents)
        path = f"/agents/{failed}/packages/{place}/retry"
        assert (await running.api.ask("POST", path)).status_code == httpx.codes.OK
        assert (await running.api.ask("POST", path)).status_code == httpx.codes.CONFLICT

        for agent in fleet.agents:
            agent.fails_packages = False
        draft = {"name": f"{place}-again", "assignment_id": assignment["id"], "to_version": NEW, **plan}
        again = Campaign(running, await running.api.post("/campaigns", draft))
        await again.steer("start")

        ended = await again.until("completed", "halted")
        assert ended["state"] == "completed", await again.failures()
        await wait_until(lambda: len(with_version(fleet, place, NEW)) == agents, SECONDS, describe="all have it")
