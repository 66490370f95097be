"""Who is silent for too long is offline; who is only quiet is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from world.eventually import Eventually
    from world.platform import Platform

QUICK = {
    "AGENT_STATE_SILENCE_SECONDS": "6",
    "AGENT_STATE_SWEEP_SECONDS": "1",
    "AGENT_STATE_FUSE_FRACTION": "1",
    "OPAMP_GATEWAY_PING_AFTER_SECONDS": "1.5",
}


@pytest.fixture
async def impatient(platform: Platform) -> Platform:
    """Give a platform that waits six seconds instead of sixty."""
    await platform.start(settings=QUICK)
    return platform


async def test_poller_that_stops_is_offline_and_returns(impatient: Platform, eventually: Eventually) -> None:
    """An agent that polls no more is noticed by the sweep, and its next poll brings it back."""
    async with impatient.http_agent() as agent:
        await eventually(_link_of(impatient, agent.id, "connected"))

        await eventually(_link_of(impatient, agent.id, "disconnected"), within=30)
        shown = await impatient.api.agent(agent)
        assert shown is not None
        assert (shown["status"], bool(shown["disconnect_reason"])) == ("offline", True)

        await agent.poll()
        await eventually(_link_of(impatient, agent.id, "connected"), within=10)


async def test_quiet_socket_stays_online(impatient: Platform, eventually: Eventually) -> None:
    """A WebSocket agent that sends no heartbeats lives as long as its socket answers pings."""
    quiet = impatient.websocket_agent()
    await quiet.connect()
    await eventually(_link_of(impatient, quiet.id, "connected"))
    shown = await impatient.api.agent(quiet)
    assert shown is not None

    async with impatient.http_agent() as silent:
        # When the silent poller is given up, the quiet socket has been quiet for as long.
        await eventually(_link_of(impatient, silent.id, "connected"))
        await eventually(_link_of(impatient, silent.id, "disconnected"), within=30)

    assert await _link_of(impatient, quiet.id, "connected")()
    history = (await impatient.api.get(f"/agents/{quiet.id}/connection-history"))["histories"]
    assert len(history) == 1


def _link_of(platform: Platform, agent_id: str, link: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        shown = await platform.api.agent(agent_id)
        return shown is not None and shown["link"] == link

    return ask
