"""
Every way an agent goes away, and the reason its history tells (docs/flows.md, "An agent goes away").

Who is only quiet is not away.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from world.agents import Agent
    from world.eventually import Eventually
    from world.platform import Platform
    from world.proxy import Proxy

SWEPT_SECONDS = 24
"""
agent-state gives up who was not heard from for this long.

Gateways look round every five seconds: the ping of a dead line is sent, and found unanswered, well before.
"""

QUICK = {
    "AGENT_STATE_SILENCE_SECONDS": str(SWEPT_SECONDS),
    "AGENT_STATE_SWEEP_SECONDS": "1",
    "AGENT_STATE_FUSE_FRACTION": "1",
    "OPAMP_GATEWAY_PING_AFTER_SECONDS": "1",
    "OPAMP_GATEWAY_PONG_SECONDS": "6",
    "OPAMP_GATEWAY_POLL_SILENCE_SECONDS": "3",
}


@pytest.fixture
async def impatient(platform: Platform) -> Platform:
    """Give a platform that waits seconds instead of a minute, with two gateways."""
    await platform.start(gateways=2, settings=QUICK)
    return platform


async def test_goodbye(impatient: Platform, eventually: Eventually) -> None:
    """An agent that says goodbye is gone at once, over either transport."""
    async with impatient.http_agent() as poller, impatient.websocket_agent() as agent:
        for each in (poller, agent):
            await eventually(_here(impatient, each))
            await each.leave()
            await eventually(_link_of(impatient, each.id, "disconnected"))
            assert await _reason(impatient, each.id) == "agent disconnect"


async def test_closed_and_cut_sockets(impatient: Platform, eventually: Eventually) -> None:
    """A closing handshake and a reset are told apart."""
    closing, cut = impatient.websocket_agent(), impatient.websocket_agent()
    for each in (closing, cut):
        await each.connect()
        await eventually(_link_of(impatient, each.id, "connected"))

    await closing.close(goodbye=False)
    await cut.vanish()

    for agent, reason in ((closing, "connection closed"), (cut, "connection lost")):
        await eventually(_link_of(impatient, agent.id, "disconnected"))
        assert await _reason(impatient, agent.id) == reason


async def test_dead_line(
    impatient: Platform, eventually: Eventually, proxy_to: Callable[[int], Coroutine[None, None, Proxy]]
) -> None:
    """A socket that is open but carries nothing is found by a ping without a pong."""
    wire = await proxy_to(impatient.run_json["ports"]["opamp_1"])
    agent = impatient.websocket_agent()
    agent.url = wire.url_of(agent.url)
    await agent.connect()
    await eventually(_link_of(impatient, agent.id, "connected"))

    wire.black_hole()

    await eventually(_link_of(impatient, agent.id, "disconnected"))
    assert await _reason(impatient, agent.id) == "connection lost"
    wire.restore()


async def test_drained_gateway(impatient: Platform, eventually: Eventually) -> None:
    """A gateway that is told to end closes its sockets with 1001, says why, and ends with status 0."""
    agent = impatient.websocket_agent(gateway=2)
    await agent.connect()
    await eventually(_link_of(impatient, agent.id, "connected"))

    code = await impatient.terminate("opamp-gateway-2")

    assert code == 0
    await agent.until(lambda agent: not agent.connected)
    assert agent.close_code == 1001
    await eventually(_link_of(impatient, agent.id, "disconnected"))
    assert await _reason(impatient, agent.id) == "drain"

    await impatient.restart("opamp-gateway-2")
    await agent.connect()
    await eventually(_link_of(impatient, agent.id, "connected"))


async def test_poller_that_stops_is_offline_and_returns(impatient: Platform, eventually: Eventually) -> None:
    """An agent that polls no more is noticed by its gateway, and its next poll brings it back."""
    async with impatient.http_agent() as agent:
        await eventually(_here(impatient, agent))

        await eventually(_link_of(impatient, agent.id, "disconnected"), within=60)
        assert await _reason(impatient, agent.id) == "poll silence"

        await eventually(_here(impatient, agent))


async def test_quiet_socket_stays_online(impatient: Platform, eventually: Eventually) -> None:
    """A WebSocket agent that sends no heartbeats lives as long as its socket answers pings."""
    quiet = impatient.websocket_agent()
    await quiet.connect()
    await eventually(_link_of(impatient, quiet.id, "connected"))

    shown = await impatient.api.agent(quiet)
    assert shown is not None
    given_up_after = datetime.fromisoformat(shown["last_connected_at"]) + timedelta(seconds=SWEPT_SECONDS + 2)

    async def heard_since() -> bool:
        now = await impatient.api.agent(quiet)
        assert now is not None
        return datetime.fromisoformat(now["last_seen_at"]) > given_up_after

    await eventually(heard_since, within=SWEPT_SECONDS + 60)
    assert await _link_of(impatient, quiet.id, "connected")()
    assert len(await _history(impatient, quiet.id)) == 1


async def _history(platform: Platform, agent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await platform.api.get(f"/agents/{agent_id}/connection-history"))["histories"]
    return found


async def _reason(platform: Platform, agent_id: str) -> str:
    newest = (await _history(platform, agent_id))[0]
    shown = await platform.api.agent(agent_id)
    assert newest["disconnected_at"] is not None
    assert shown is not None
    assert (shown["status"], shown["disconnect_reason"]) == ("offline", newest["disconnect_reason"])
    return str(newest["disconnect_reason"])


def _here(platform: Platform, agent: Agent) -> Callable[[], Awaitable[bool]]:
    """Make a question: is the agent shown as connected? One that polls goes on polling meanwhile."""

    async def ask() -> bool:
        await agent.look()
        return await _link_of(platform, agent.id, "connected")()

    return ask


def _link_of(platform: Platform, agent_id: str, link: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        shown = await platform.api.agent(agent_id)
        return shown is not None and shown["link"] == link

    return ask
