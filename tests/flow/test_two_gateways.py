"""Agents may come to any gateway, and change it, without being lost or hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from world.eventually import Eventually
    from world.platform import Platform
    from world.proxy import Proxy

BODY = "receivers:\n  otlp: {}\n"


@pytest.fixture
async def two_gateways(platform: Platform) -> Platform:
    """Give a platform with two gateways, which leave a living agent time to show that it lives."""
    await platform.start(gateways=2, settings={"OPAMP_GATEWAY_CLONE_SECONDS": "10"})
    return platform


async def test_configuration_reaches_agents_of_both(two_gateways: Platform, eventually: Eventually, place: str) -> None:
    """One edit reaches every matching agent, whichever gateway holds it."""
    agents = [two_gateways.websocket_agent(gateway=number, labels={"place": place}) for number in (1, 2)]
    for agent in agents:
        await agent.connect()
        await eventually(lambda agent=agent: two_gateways.api.agent(agent))

    draft = {"name": place, "content_type": "yaml", "raw_config": BODY, "selector": {"place": place}}
    await two_gateways.api.post("/configurations", draft)

    for agent in agents:
        await agent.until(lambda agent: agent.body == BODY)
    shown = [await two_gateways.api.agent(agent) for agent in agents]
    assert len({each["gateway_id"] for each in shown if each}) == 2


async def test_slow_close_of_the_old_socket_does_not_hide_the_agent(
    two_gateways: Platform, eventually: Eventually, proxy_to: Callable[[int], Coroutine[None, None, Proxy]]
) -> None:
    """An agent whose line went dead moves, and stays online when the old connection ends afterwards."""
    wire = await proxy_to(two_gateways.run_json["ports"]["opamp_1"])
    old = two_gateways.websocket_agent(gateway=1)
    old.url = wire.url_of(old.url)
    await old.connect()
    await eventually(_gateway_of(two_gateways, old.id, ""))
    first = await two_gateways.api.agent(old)
    assert first is not None

    wire.black_hole()
    new = two_gateways.websocket_agent(gateway=2, uid=old.uid)
    await new.connect()
    await eventually(_gateway_of(two_gateways, old.id, first["gateway_id"]))
    wire.restore()
    wire.cut()
    await new.ask(new.health_report())

    assert new.uid == old.uid
    await eventually(_has_closed(two_gateways, old.id, first["gateway_id"]))
    shown = await two_gateways.api.agent(new)
    assert shown is not None
    assert (shown["status"], shown["link"]) == ("online", "connected")
    assert shown["gateway_id"] != first["gateway_id"]


async def test_clone_gets_an_identity_of_its_own(two_gateways: Platform, eventually: Eventually) -> None:
    """Two living agents with one uid, on different gateways, are told apart: the newcomer is renamed."""
    first = two_gateways.websocket_agent(gateway=1)
    await first.connect()
    await eventually(_is(two_gateways, first.id, "connected"))

    clone = two_gateways.websocket_agent(gateway=2, uid=first.uid)
    await clone.connect()
    await clone.until(lambda agent: agent.uid != first.uid)
    await clone.report(clone.heartbeat())

    await eventually(_is(two_gateways, clone.id, "connected"))
    assert await _is(two_gateways, first.id, "connected")()
    assert first.connected


async def test_agents_of_a_dead_gateway_go_offline_and_come_back(
    two_gateways: Platform, eventually: Eventually
) -> None:
    """Kill -9 of a gateway takes its agents offline, and no others; another gateway takes them."""
    lost, kept = two_gateways.websocket_agent(gateway=2), two_gateways.websocket_agent(gateway=1)
    await lost.connect()
    await kept.connect()
    await eventually(_is(two_gateways, lost.id, "connected"))
    await eventually(_is(two_gateways, kept.id, "connected"))

    two_gateways.kill("opamp-gateway-2")

    await eventually(_is(two_gateways, lost.id, "disconnected"), within=60)
    assert await _is(two_gateways, kept.id, "connected")()
    back = two_gateways.websocket_agent(gateway=1, uid=lost.uid)
    await back.connect()
    await eventually(_is(two_gateways, lost.id, "connected"))
    await two_gateways.restart("opamp-gateway-2")


def _is(platform: Platform, agent_id: str, link: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        shown = await platform.api.agent(agent_id)
        return shown is not None and shown["link"] == link

    return ask


def _gateway_of(platform: Platform, agent_id: str, other_than: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        shown = await platform.api.agent(agent_id)
        return shown is not None and shown["link"] == "connected" and shown["gateway_id"] not in ("", other_than)

    return ask


def _has_closed(platform: Platform, agent_id: str, gateway_id: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        history = (await platform.api.get(f"/agents/{agent_id}/connection-history"))["histories"]
        return any(each["gateway_id"] == gateway_id and each["disconnected_at"] for each in history)

    return ask
