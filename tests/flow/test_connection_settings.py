"""Somebody writes connection settings; agents try them, say how it went, and the API shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from devstack.ports import free_port
from opampctl.simulate import Fleet, FleetOptions, Transport
from opampctl.simulate.extras import COMPONENTS

if TYPE_CHECKING:
    from opampctl.simulate import SimulatedAgent
    from opampctl.simulate.slots import Slots
    from world.eventually import Eventually
    from world.platform import Platform

WITHIN = 30.0
METRICS = "https://telemetry.example.org/v1/metrics"

pytestmark = pytest.mark.timeout(180)


def options_of(platform: Platform, place: str, **changes: Any) -> FleetOptions:
    """Make the options of one agent that takes connection settings, at a place of its own."""
    chosen: dict[str, Any] = {
        "endpoint": platform.run_json["opamp_url"],
        "token": platform.token,
        "heartbeat_seconds": 1.0,
        "labels": {"place": place},
        "accept_settings": True,
    }
    return FleetOptions(**chosen | changes)


def has_settings(platform: Platform, agent: SimulatedAgent, **fields: Any) -> Any:
    """Make a question: does the API show these values of the agent's connection settings?"""

    async def ask() -> bool:
        answer = await platform.api.ask("GET", f"/agents/{agent.uid_text}/connection-settings")
        found = answer.json()
        return answer.is_success and all(found[name] == value for name, value in fields.items())

    return ask


def metrics_headers(slots: Slots) -> dict[str, str]:
    """Read the headers of the newest offer for own metrics."""
    offers = slots.offers
    return {} if offers is None else {header.key: header.value for header in offers.own_metrics.headers.headers}


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_own_telemetry_reaches_the_agent_and_its_status_comes_back(
    running: Platform, eventually: Eventually, place: str, transport: Transport
) -> None:
    """Offered to the agents a selector matches, secrets included; the API shows them masked, and the hash that came."""
    async with Fleet(options_of(running, place, transport=transport)) as fleet:
        agent = fleet.agents[0]
        assert agent.extras is not None
        slots = agent.extras.slots
        await fleet.wait_connected()
        member = {"destination_endpoint": METRICS, "headers": {"X-Api-Key": "s3cret"}}
        body = {"selector": {"place": place}, "settings": {"own_metrics": member}}
        made = await running.api.put(f"/connection-settings/{place}", body)

        await eventually(has_settings(running, agent, state="applied", policies=[place]), within=WITHIN)

        assert slots.offers is not None
        assert slots.offers.own_metrics.destination_endpoint == METRICS
        assert metrics_headers(slots) == {"X-Api-Key": "s3cret"}
        shown = await running.api.get(f"/agents/{agent.uid_text}/connection-settings")
        assert shown["reported_hash"] == shown["desired_hash"] == slots.hash.hex()
        assert "s3cret" not in str(shown) + str(made)

        # What was read is edited and written back: the secret nobody saw stays.
        await running.api.put(f"/connection-settings/{place}", {**made, "priority": 7})
        member["headers"] = {"X-Api-Key": "[REDACTED]", "X-Site": "7"}
        changed = await running.api.put(f"/connection-settings/{place}", body)
        wanted = {"X-Api-Key": "s3cret", "X-Site": "7"}
        await eventually(lambda: metrics_headers(slots) == wanted, within=WITHIN)
        assert changed["version"] > made["version"]
    await running.api.delete(f"/connection-settings/{place}")


async def test_settings_that_do_not_work_are_rolled_back_and_told(
    running: Platform, eventually: Eventually, place: str
) -> None:
    """The agent tries them, goes back, and stays; a retry is another chance."""
    async with Fleet(options_of(running, place)) as fleet:
        agent = fleet.agents[0]
        assert agent.extras is not None
        slots = agent.extras.slots
        await fleet.wait_connected()
        before = slots.current
        headers = {"Authorization": f"Bearer {running.token}"}
        nowhere = {"destination_endpoint": f"ws://127.0.0.1:{free_port()}/v1/opamp", "headers": headers}
        body = {"selector": {"place": place}, "settings": {"opamp": nowhere}}
        await running.api.put(f"/connection-settings/{place}", body)

        await eventually(has_settings(running, agent, state="failed"), within=WITHIN)
        await eventually(lambda: agent.connected, within=WITHIN)
        shown = await running.api.get(f"/agents/{agent.uid_text}/connection-settings")
        assert "could not connect" in shown["error_message"]
        assert slots.current == before

        await running.api.put(f"/connection-settings/{place}", {**body, "settings": {"opamp": {"headers": headers}}})
        await eventually(has_settings(running, agent, state="applied"), within=WITHIN)
        assert slots.current.heartbeat_seconds
    await running.api.delete(f"/connection-settings/{place}")


async def test_a_restart_command_brings_the_agent_back_as_a_new_process(
    running: Platform, eventually: Eventually, place: str
) -> None:
    """It says goodbye, connects again, and counts its messages from the beginning."""
    async with Fleet(options_of(running, place)) as fleet:
        agent = fleet.agents[0]
        await fleet.wait_connected()

        async def known() -> bool:
            found = await running.api.agent(agent.uid_text)
            return found is not None and found["link"] == "connected"

        await eventually(known, within=WITHIN)
        started = agent.started_unix_nano

        told = await running.api.post(f"/agents/{agent.uid_text}/restart")

        await eventually(lambda: agent.connections > 1, within=WITHIN)
        await eventually(known, within=WITHIN)
        assert told["at_once"] is True
        assert fleet.statistics.restarts == 1
        assert agent.started_unix_nano > started
        await fleet_has_left(running, agent, eventually)


async def fleet_has_left(platform: Platform, agent: SimulatedAgent, eventually: Eventually) -> None:
    """Wait until the connection before the restart is in the history, ended by the agent."""

    async def ended() -> bool:
        page = await platform.api.get(f"/agents/{agent.uid_text}/connection-history")
        reasons = [each["disconnect_reason"] for each in page["histories"] if each["disconnected_at"]]
        return "agent disconnect" in reasons

    await eventually(ended, within=WITHIN)


async def test_components_are_asked_for_and_shown(running: Platform, eventually: Eventually, place: str) -> None:
    """An agent tells a hash; what it stands for is asked of it once, and again on demand."""
    async with Fleet(options_of(running, place, components=True)) as fleet:
        agent = fleet.agents[0]
        await fleet.wait_connected()

        async def told() -> Any:
            return (await running.api.ask("POST", f"/agents/{agent.uid_text}/components/refresh")).is_success

        await eventually(told, within=WITHIN)

        async def shown() -> bool:
            found = await running.api.agent(agent.uid_text)
            return found is not None and set(found["components"] or {}) == set(COMPONENTS.components)

        await eventually(shown, within=WITHIN)
        found = await running.api.agent(agent.uid_text)
        assert found is not None
        assert "otlp" in found["components"]["receivers"]["components"]


async def test_an_agent_that_cannot_be_told_is_said_to_be_so(
    running: Platform, eventually: Eventually, place: str
) -> None:
    """409 with the reason: it lacks the capability, or is not connected."""
    async with running.websocket_agent(labels={"place": place}) as agent:

        async def known() -> Any:
            return await running.api.agent(agent)

        await eventually(known, within=WITHIN)
        lacking = await running.api.ask("POST", f"/agents/{agent.id}/restart")
    nobody = await running.api.ask("POST", "/agents/00010203-0405-4607-8809-0a0b0c0d0e0f/restart")

    assert (lacking.status_code, bool(lacking.json()["detail"])) == (409, True)
    assert nobody.status_code == 404
