"""Agent speaks, API shows: description, health, heartbeats, goodbye, return, deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opamp.v1 import opamp_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from world.agents import NewAgent
    from world.eventually import Eventually
    from world.platform import Platform


async def test_agent_appears_with_what_it_said(
    running: Platform, new_agent: NewAgent, eventually: Eventually, place: str
) -> None:
    """A connected agent is listed online with its name, version, host and every attribute as a label."""
    async with new_agent(labels={"place": place}) as agent:

        async def complete() -> Any:
            shown = await running.api.agent(agent)
            return shown if shown is not None and shown["name"] and shown["health_state"] != "unknown" else None

        shown = await eventually(complete)

        assert (shown["name"], shown["version"], shown["hostname"]) == ("test-agent", "1.2.3", "test-host")
        assert (shown["type"], shown["architecture"]) == ("linux", "amd64")
        assert shown["labels"]["place"] == place
        assert (shown["status"], shown["link"], shown["health_state"]) == ("online", "connected", "healthy")
        found = await running.api.get("/agents", **{"label.place": place})
        assert [each["id"] for each in found["agents"]] == [agent.id]


async def test_first_answer_names_the_server(new_agent: NewAgent) -> None:
    """The first answer carries the agent's own id and what the server can do."""
    async with new_agent() as agent:
        await agent.until(lambda agent: agent.heard)

        first = agent.heard[0]
        assert first.instance_uid == agent.uid
        assert not first.HasField("error_response")
        assert first.capabilities & opamp_pb2.ServerCapabilities_AcceptsStatus
        assert first.capabilities & opamp_pb2.ServerCapabilities_OffersRemoteConfig


async def test_sickness_and_recovery_are_shown(running: Platform, new_agent: NewAgent, eventually: Eventually) -> None:
    """An unhealthy agent is shown in error with its own words, and online again when it is well."""
    async with new_agent() as agent:
        await eventually(lambda: running.api.agent(agent))

        agent.healthy, agent.last_error = False, "exporter refuses"
        await agent.report(agent.health_report())

        async def sick() -> bool:
            shown = await running.api.agent(agent)
            return shown is not None and (shown["status"], shown["health_error"]) == ("error", "exporter refuses")

        await eventually(sick)

        agent.healthy, agent.last_error = True, ""
        await agent.report(agent.health_report())

        await eventually(_has_status(running, agent.id, "online"))


async def test_heartbeats_move_last_seen(running: Platform, new_agent: NewAgent, eventually: Eventually) -> None:
    """A heartbeat says nothing new, but it is heard."""
    async with new_agent() as agent:
        shown = await eventually(lambda: running.api.agent(agent))

        async def seen_later() -> bool:
            await agent.report(agent.heartbeat())
            now = await running.api.agent(agent)
            return now is not None and now["last_seen_at"] > shown["last_seen_at"]

        await eventually(seen_later)


async def test_goodbye_makes_offline_and_return_online(
    running: Platform, new_agent: NewAgent, eventually: Eventually
) -> None:
    """An agent that leaves is offline at once with a closed connection in its history; its return opens another."""
    async with new_agent() as agent:
        await eventually(_has_status(running, agent.id, "online"))

        await agent.leave()

        await eventually(_has_status(running, agent.id, "offline"))
        history = (await running.api.get(f"/agents/{agent.id}/connection-history"))["histories"]
        assert len(history) == 1
        assert history[0]["disconnected_at"] is not None
        assert history[0]["disconnect_reason"]

    async with new_agent(uid=agent.uid):
        await eventually(_has_status(running, agent.id, "online"))

        history = (await running.api.get(f"/agents/{agent.id}/connection-history"))["histories"]
        assert [each["disconnected_at"] is None for each in history] == [True, False]
        active = await running.api.get(f"/agents/{agent.id}/active-connection")
        assert active["id"] == history[0]["id"]


async def test_cut_socket_makes_offline(running: Platform, eventually: Eventually) -> None:
    """An agent whose socket breaks without a word is offline at once, too."""
    agent = running.websocket_agent()
    await agent.connect()
    await eventually(_has_status(running, agent.id, "online"))

    await agent.vanish()

    await eventually(_has_status(running, agent.id, "offline"))


async def test_deleted_agent_is_gone(running: Platform, new_agent: NewAgent, eventually: Eventually) -> None:
    """An agent that left can be deleted, and is found no more."""
    async with new_agent() as agent:
        await eventually(lambda: running.api.agent(agent))
        await agent.leave()
        await eventually(_has_status(running, agent.id, "offline"))

        await running.api.delete(f"/agents/{agent.id}")

        assert await running.api.agent(agent) is None


async def test_summary_counts_agents(running: Platform, eventually: Eventually) -> None:
    """The summary moves with every agent that comes and goes."""

    async def nobody_is_left() -> Any:
        """What earlier tests began has come to its end."""
        shown = await running.api.get("/agents/status/summary")
        return shown if shown["online"] == 0 else None

    before = await eventually(nobody_is_left)
    agent = running.websocket_agent()
    await agent.connect()
    await eventually(_has_status(running, agent.id, "online"))

    during = await running.api.get("/agents/status/summary")
    await agent.close()
    await eventually(_has_status(running, agent.id, "offline"))
    after = await running.api.get("/agents/status/summary")

    assert during["online"] == before["online"] + 1
    assert (after["total"], after["online"]) == (during["total"], before["online"])


async def test_stranger_is_refused(running: Platform) -> None:
    """Without a valid enrolment token no agent gets in, over either transport."""
    async with running.http_agent() as known:
        known.headers.clear()
        for token in ("", "Bearer oet_wrong_wrong", "Bearer x"):
            answer = await known.post(known.heartbeat(), Authorization=token)
            assert answer.status_code == 401, token


def _has_status(platform: Platform, agent_id: str, status: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        shown = await platform.api.agent(agent_id)
        return shown is not None and shown["status"] == status

    return ask
