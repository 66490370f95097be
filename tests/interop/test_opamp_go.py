"""
An agent made of opamp-go's client refuses a configuration, reconnects, moves, and outlives its server.

The agent is tests/interop/go/agent, which `make interop` builds; OPAMP_GO_AGENT names another that understands
the same flags and orders and prints the same events.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from foreign import ForeignAgent
from goprograms import AGENT, Program
from sight import SECONDS, Sight

from world.platform import Platform
from world.proxy import Proxy

LABEL = "interop.client"
UNWANTED = "exporter_nobody_has"
GATEWAY = "opamp-gateway-1"

pytestmark = [pytest.mark.timeout(300), pytest.mark.parametrize("transport", ["ws", "http"])]

Start = Callable[..., ForeignAgent]


def document(marker: str) -> str:
    """Write a configuration that tells itself apart."""
    return json.dumps({"exporters": {"debug": {"verbosity": marker}}})


def address(platform: Platform, transport: str) -> str:
    """Return the gateway's address for a transport."""
    return str(platform.run_json["opamp_url" if transport == "ws" else "opamp_http_url"])


def command(program: Path, platform: Platform, url: str, name: str) -> list[str | Path]:
    """Write the agent's command line."""
    label = f"{LABEL}={name}"
    return [program, "-url", url, "-token", platform.token, "-name", name, "-labels", label, "-refuse", UNWANTED]


def times_received(agent: ForeignAgent, config_hash: str) -> int:
    """Count how often a configuration came."""
    return [each["hash"] for each in agent.said("config")].count(config_hash)


async def exchange(agent: ForeignAgent, sight: Sight, word: str) -> None:
    """Let the agent fall ill and recover, and see both: whatever was to come before has come."""
    agent.tell("health", healthy=False, error=word)
    await sight.until("ill", status="error", health_state="unhealthy", health_error=word)
    agent.tell("health", healthy=True, error="")
    await sight.until("well", health_state="healthy", health_error="")


async def test_go_client_refuses_a_configuration(
    platform: Platform, foreign_agent: Start, program_of: Callable[[Program], Path], transport: str
) -> None:
    """Its words are shown, what it runs stays, the same content is not offered again, and the next one heals it."""
    program = program_of(AGENT)
    await platform.start(gateways=2)
    sight = Sight(platform, LABEL, f"go-refuses-{transport}")
    good = await sight.store(document("normal"), "json")
    agent = foreign_agent(command(program, platform, address(platform, transport), sight.name))
    await sight.until("applied", config_state="applied", remote_config_hash=good)

    bad = await sight.store(document(UNWANTED), "json")
    failed = await sight.until("failed", status="error", config_state="failed", remote_config_hash=bad)
    assert UNWANTED in failed["config_error"]
    assert [json.loads(body) for body in await sight.effective()] == [json.loads(document("normal"))]
    await exchange(agent, sight, "still here")
    assert times_received(agent, bad) == 1

    mended = await sight.store(document("detailed"), "json")
    await sight.until("healed", status="online", config_state="applied", remote_config_hash=mended, config_error="")
    assert agent.stop() == 0


async def test_go_client_reconnects_without_state(
    platform: Platform,
    foreign_agent: Start,
    program_of: Callable[[Program], Path],
    proxy_to: Callable[[int], Awaitable[Proxy]],
    transport: str,
) -> None:
    """It goes on with its numbering and describes nothing; the platform still knows it, and offers nothing again."""
    program = program_of(AGENT)
    await platform.start(gateways=2)
    sight = Sight(platform, LABEL, f"go-reconnects-{transport}")
    wanted = await sight.store(document("normal"), "json")
    proxy = await proxy_to(platform.run_json["ports"]["opamp_1"])
    url = proxy.url_of(address(platform, transport))
    agent = foreign_agent(command(program, platform, url, sight.name))
    await sight.until("applied", status="online", config_state="applied", remote_config_hash=wanted)
    await exchange(agent, sight, "before the cut")
    before = await sight.agent()
    accepted, connected = proxy.accepted, len(agent.said("connected"))

    proxy.cut()
    await agent.until(
        lambda it: proxy.accepted > accepted and len(it.said("connected")) > connected, SECONDS, "it connects again"
    )
    await exchange(agent, sight, "back again")
    after = await sight.until("as it was", status="online", config_state="applied", remote_config_hash=wanted)

    same = ("id", "name", "version", "labels", "capabilities", "configuration_name", "effective_config")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert after["sequence_number"] > before["sequence_number"]
    history = await platform.api.get(f"/agents/{after['id']}/apply-history")
    assert [(each["status"], each["attempt"]) for each in history["histories"]] == [("applied", 1)]
    assert times_received(agent, wanted) == 1
    assert agent.stop() == 0


async def test_go_client_moves_to_another_gateway(
    platform: Platform,
    foreign_agent: Start,
    program_of: Callable[[Program], Path],
    proxy_to: Callable[[int], Awaitable[Proxy]],
    transport: str,
) -> None:
    """The gateway it comes to has never heard it, knows it all the same, and offers it the next configuration."""
    program = program_of(AGENT)
    await platform.start(gateways=2)
    ports = platform.run_json["ports"]
    sight = Sight(platform, LABEL, f"go-moves-{transport}")
    old = await sight.store(document("normal"), "json")
    proxy = await proxy_to(ports["opamp_1"])
    agent = foreign_agent(command(program, platform, proxy.url_of(address(platform, transport)), sight.name))
    before = await sight.until("applied", status="online", config_state="applied", remote_config_hash=old)

    proxy.target_port = ports["opamp_2"]
    proxy.cut()

    async def moved() -> bool:
        found = await sight.agent()
        return bool(found["gateway_id"] != before["gateway_id"] and found["status"] == "online")

    await sight.wait(moved, "moved")
    new = await sight.store(document("detailed"), "json")
    after = await sight.until("changed", status="online", config_state="applied", remote_config_hash=new)
    same = ("id", "name", "version", "labels", "capabilities")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert times_received(agent, new) == 1
    assert agent.stop() == 0


async def test_go_client_over_a_server_restart(
    platform: Platform, foreign_agent: Start, program_of: Callable[[Program], Path], transport: str
) -> None:
    """The gateway is killed, the configuration changes meanwhile; the client comes back and gets only the change."""
    program = program_of(AGENT)
    await platform.start(gateways=2)
    sight = Sight(platform, LABEL, f"go-restart-{transport}")
    old = await sight.store(document("normal"), "json")
    agent = foreign_agent(command(program, platform, address(platform, transport), sight.name))
    before = await sight.until("applied", status="online", config_state="applied", remote_config_hash=old)

    platform.kill(GATEWAY)
    await agent.until(lambda it: it.said("connect_failed"), SECONDS, "it notices")
    new = await sight.store(document("detailed"), "json")
    await platform.restart(GATEWAY)

    after = await sight.until("changed", status="online", config_state="applied", remote_config_hash=new)
    assert [json.loads(body) for body in await sight.effective()] == [json.loads(document("detailed"))]
    assert {key: after[key] for key in ("id", "name", "version", "labels")} == {
        key: before[key] for key in ("id", "name", "version", "labels")
    }
    assert [times_received(agent, each) for each in (old, new)] == [1, 1]
    assert agent.stop() == 0
