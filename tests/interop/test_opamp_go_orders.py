"""An agent made of opamp-go's client does what it is told: restart, answer, move over, use a credential of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign import ForeignAgent
from goprograms import AGENT, Program
from sight import SECONDS, Sight

from devstack.ports import free_ports
from world.platform import Platform

LABEL = "interop.client"
CAPABILITY = "io.example.interop.echo"
PLATFORM_SETTINGS = {"OPAMP_GATEWAY_CUSTOM_CAPABILITIES": CAPABILITY}

pytestmark = [pytest.mark.timeout(300), pytest.mark.parametrize("transport", ["ws", "http"])]


class Agents:
    """Starts agents that can do one thing more than usual."""

    def __init__(self, program: Path, platform: Platform, run: Callable[..., ForeignAgent], transport: str) -> None:
        self._program = program
        self._run = run
        self.platform = platform
        self.transport = transport
        self.url = str(platform.run_json["opamp_url" if transport == "ws" else "opamp_http_url"])

    def sight(self, name: str) -> Sight:
        """Return where an agent of this name is seen."""
        return Sight(self.platform, LABEL, f"{name}-{self.transport}")

    def start(self, sight: Sight, also: str, token: str = "") -> ForeignAgent:
        """Run an agent that says it can do *also*, with the platform's token if not with another."""
        label = f"{LABEL}={sight.name}"
        named = ["-name", sight.name, "-labels", label, "-also", also]
        return self._run([self._program, "-url", self.url, "-token", token or self.platform.token, *named])


@pytest.fixture
async def agents(
    platform: Platform,
    foreign_agent: Callable[..., ForeignAgent],
    program_of: Callable[[Program], Path],
    transport: str,
) -> Agents:
    """Give what starts agents, with the platform running."""
    program = program_of(AGENT)
    await platform.start(settings=PLATFORM_SETTINGS)
    return Agents(program, platform, foreign_agent, transport)


def turned_away(agent: ForeignAgent) -> bool:
    """Say whether the gateway has refused it: with 401 for its credential, or in words for what it is."""
    return bool(agent.said("connect_failed") or agent.said("server_error") or "401" in agent.words())


async def offer(sight: Sight, platform: Platform, settings: dict[str, Any]) -> None:
    """Store connection settings for the agent."""
    await platform.api.put(f"/connection-settings/{sight.name}", {"selector": sight.selector, "settings": settings})


async def settled(sight: Sight, platform: Platform, state: str) -> dict[str, Any]:
    """Wait until the agent's newest connection settings have come to an end."""
    agent = await sight.agent()
    found: dict[str, Any] = {}

    async def reached() -> bool:
        found.update(await platform.api.get(f"/agents/{agent['id']}/connection-settings"))
        assert found["state"] == state, found
        return True

    await sight.wait(reached, f"connection settings {state}")
    return found


async def test_go_client_restarts(agents: Agents) -> None:
    """The command arrives once, alone; the agent stays well."""
    sight = agents.sight("go-restarts")
    agent = agents.start(sight, "restart")
    shown = await sight.until("well", status="online", health_state="healthy")

    await agents.platform.api.post(f"/agents/{shown['id']}/restart")

    await agent.until(lambda it: it.said("command"), SECONDS, "the command")
    agent.tell("health", healthy=False, error="after the command")
    await sight.until("ill", health_error="after the command")
    assert [each["type"] for each in agent.said("command")] == ["CommandType_Restart"]
    assert agent.stop() == 0


async def test_go_client_answers_a_custom_message(agents: Agents) -> None:
    """It is told of the server's capabilities, gets the message, and its answer comes back to who asked."""
    sight = agents.sight("go-answers")
    agent = agents.start(sight, f"custom:{CAPABILITY}")
    shown = await sight.until("well", status="online", custom_capabilities=[CAPABILITY])

    question = {"capability": CAPABILITY, "type": "ask", "text": "anybody there?"}
    answer = await agents.platform.api.post(
        f"/agents/{shown['id']}/custom-messages", {**question, "await_reply": True, "timeout_seconds": 30}
    )

    assert (answer["reply"]["type"], answer["reply"]["text"]) == ("echo", "anybody there?")
    assert [each["data"] for each in agent.said("custom")] == ["anybody there?"]
    assert agent.said("server_custom_capabilities")[0]["capabilities"] == [CAPABILITY]
    assert agent.stop() == 0


async def test_go_client_takes_connection_settings(agents: Agents) -> None:
    """It moves over to what it is offered, says so, and is not offered it again."""
    sight = agents.sight("go-moves-over")
    agent = agents.start(sight, "settings")
    await sight.until("well", status="online", health_state="healthy")

    headers = {"Authorization": f"Bearer {agents.platform.token}", "X-Interop": "new"}
    opamp = {"destination_endpoint": agents.url, "headers": headers, "heartbeat_interval_seconds": 1}
    await offer(sight, agents.platform, {"opamp": opamp})

    await agent.until(lambda it: it.said("moved"), SECONDS, "it moves")
    stands = await settled(sight, agents.platform, "applied")
    assert stands["reported_hash"] == stands["desired_hash"] != ""
    await sight.until("well", status="online", health_state="healthy")
    (settings,) = agent.said("settings")
    assert settings["headers"] == headers
    assert (settings["endpoint"], settings["heartbeat"]) == (agents.url, 1)
    assert agent.stop() == 0


async def test_go_client_goes_back_from_settings_that_do_not_work(agents: Agents) -> None:
    """Nobody listens where it is sent: it comes back, the failure is shown with its words, and nothing is repeated."""
    sight = agents.sight("go-goes-back")
    agent = agents.start(sight, "settings")
    await sight.until("well", status="online", health_state="healthy")
    (nobody,) = free_ports(1)
    nowhere = agents.url.replace(f":{agents.platform.run_json['ports']['opamp_1']}", f":{nobody}")

    headers = {"Authorization": f"Bearer {agents.platform.token}"}
    await offer(sight, agents.platform, {"opamp": {"destination_endpoint": nowhere, "headers": headers}})

    await agent.until(lambda it: it.said("moved_back"), SECONDS, "it comes back")
    stands = await settled(sight, agents.platform, "failed")
    assert nowhere in stands["error_message"]
    await sight.until("well", status="online", health_state="healthy")
    assert len(agent.said("settings")) == 1
    assert agent.stop() == 0


async def test_go_client_takes_offers_for_its_own_telemetry(agents: Agents) -> None:
    """It is told where its metrics and logs go, and says that it does so."""
    sight = agents.sight("go-telemetry")
    agent = agents.start(sight, "telemetry")
    await sight.until("well", status="online", health_state="healthy")

    metrics, logs = "http://127.0.0.1:4318/v1/metrics", "http://127.0.0.1:4318/v1/logs"
    own = {"own_metrics": {"destination_endpoint": metrics}, "own_logs": {"destination_endpoint": logs}}
    await offer(sight, agents.platform, own)

    stands = await settled(sight, agents.platform, "applied")
    assert stands["reported_hash"] == stands["desired_hash"] != ""
    assert [each["endpoints"] for each in agent.said("telemetry")] == [{"metrics": metrics, "logs": logs}]
    assert agent.stop() == 0


async def test_go_client_gets_a_credential_of_its_own(agents: Agents) -> None:
    """Its token is good for one: it goes on with its own, a second agent is refused, and revoking cuts it off."""
    api = agents.platform.api
    sight = agents.sight("go-credential")
    rule = {"name": sight.name, "max_uses": 1, "issues": "bearer", "labels": {"team": "interop"}}
    token = await api.post("/enrolment-tokens", rule)
    await offer(
        sight, agents.platform, {"opamp": {"destination_endpoint": agents.url, "heartbeat_interval_seconds": 1}}
    )

    agent = agents.start(sight, "settings", token["secret"])
    await agent.until(lambda it: it.said("moved"), SECONDS, "it moves to its own credential")
    shown = await sight.until("well", status="online", health_state="healthy")
    assert shown["labels"]["team"] == "interop"
    assert agent.said("settings")[0]["headers"]["Authorization"].startswith("Bearer oac_")

    late = agents.sight("go-late")
    second = agents.start(late, "settings", token["secret"])
    await second.until(turned_away, SECONDS, "the second is refused")
    assert (await api.get("/agents", **{f"label.{LABEL}": late.name}))["total"] == 0

    await api.post(f"/agents/{shown['id']}/revoke", {"comment": "lost"})
    await sight.until("cut off", link="disconnected")
    await agent.until(turned_away, SECONDS, "it is not let in again")
    assert agent.stop() == 0
