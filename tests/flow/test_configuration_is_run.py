"""A configuration written in the API is run by the agents it matches, and what they say about it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from world.agents import Agent, NewAgent
    from world.eventually import Eventually
    from world.platform import Platform

FIRST = "receivers:\n  otlp: {}\n"
SECOND = "receivers:\n  otlp: {}\n  hostmetrics: {}\n"


def _draft(place: str, body: str = FIRST) -> dict[str, Any]:
    return {"name": place, "content_type": "yaml", "raw_config": body, "selector": {"place": place}}


class _Shown:
    """What the API says of one agent and one configuration."""

    def __init__(self, platform: Platform, agent: Agent, name: str) -> None:
        self._api, self._agent, self._name = platform.api, agent, name

    async def newest(self) -> dict[str, Any]:
        """The newest attempt."""
        found = await self._api.get(f"/configurations/{self._name}/apply-history")
        mine = [row for row in found["histories"] if row["agent_id"] == self._agent.id]
        return mine[0] if mine else {}

    async def applied(self, config_hash: str) -> bool:
        """Whether the agent runs this content and says so; polls where nothing comes by itself."""
        await self._agent.look()
        row = await self.newest()
        return (row.get("status"), row.get("config_hash")) == ("applied", config_hash)

    async def failed(self) -> bool:
        """Whether the newest attempt failed."""
        await self._agent.look()
        return (await self.newest()).get("status") == "failed"


async def test_agent_that_connects_receives_what_matches(
    running: Platform, new_agent: NewAgent, eventually: Eventually, place: str
) -> None:
    """A configuration that was there before reaches a new agent, which applies it and is shown so."""
    made = await running.api.post("/configurations", _draft(place))

    async with new_agent(labels={"place": place}) as agent:
        await agent.until(lambda agent: agent.body == FIRST)

        assert agent.configs[-1].config_hash.hex() == made["config_hash"]
        shown = _Shown(running, agent, place)
        await eventually(lambda: shown.applied(made["config_hash"]))

        async def shown_applied() -> dict[str, Any] | None:
            detail = await running.api.agent(agent)
            return detail if detail is not None and detail["config_state"] == "applied" else None

        detail = await eventually(shown_applied)
        assert detail["configuration_name"] == place
        assert detail["effective_config"]["config_map"]["config.yaml"]["body"] == FIRST
        assert len(agent.configs) == 1


async def test_connected_agent_receives_a_new_configuration_and_its_edit(
    running: Platform, new_agent: NewAgent, eventually: Eventually, place: str
) -> None:
    """Creating and editing are enough: whoever matches and is connected receives it."""
    async with new_agent(labels={"place": place}) as agent:
        await eventually(lambda: running.api.agent(agent))

        await running.api.post("/configurations", _draft(place))
        await agent.until(lambda agent: agent.body == FIRST)
        edited = await running.api.put(f"/configurations/{place}", {"raw_config": SECOND})
        await agent.until(lambda agent: agent.body == SECOND)

        shown = _Shown(running, agent, place)
        await eventually(lambda: shown.applied(edited["config_hash"]))
        assert edited["version"] == 2


async def test_others_receive_nothing(
    running: Platform, new_agent: NewAgent, eventually: Eventually, place: str
) -> None:
    """An agent whose labels do not match is left alone while its neighbour is served."""
    async with new_agent(labels={"place": place}) as agent, new_agent(labels={"place": "elsewhere"}) as other:
        await eventually(lambda: running.api.agent(agent))
        await eventually(lambda: running.api.agent(other))

        await running.api.post("/configurations", _draft(place))
        await agent.until(lambda agent: agent.body == FIRST)
        await other.look()

        assert other.configs == []


async def test_refusal_is_shown_with_its_words_and_not_repeated(
    running: Platform, new_agent: NewAgent, eventually: Eventually, place: str
) -> None:
    """A configuration an agent failed on is shown failed with its text, and is not offered to it again."""
    async with new_agent(labels={"place": place}) as agent:
        agent.refuse_with = "unknown receiver 'otlp'"
        await eventually(lambda: running.api.agent(agent))
        await running.api.post("/configurations", _draft(place))
        shown = _Shown(running, agent, place)
        await eventually(shown.failed)

        async def in_error() -> bool:
            detail = await running.api.agent(agent)
            return detail is not None and detail["status"] == "error" and detail["config_error"] == agent.refuse_with

        await eventually(in_error)
        for _ in range(3):
            await agent.report(agent.heartbeat())
        assert (await shown.newest())["error_message"] == "unknown receiver 'otlp'"
        assert len(agent.configs) == 1

        agent.refuse_with = ""
        repaired = await running.api.put(f"/configurations/{place}", {"raw_config": SECOND})
        await eventually(lambda: shown.applied(repaired["config_hash"]))


async def test_rollback_restores_an_older_version(
    running: Platform, new_agent: NewAgent, eventually: Eventually, place: str
) -> None:
    """Rolling back makes a new version with the old content, which agents run again."""
    await running.api.post("/configurations", _draft(place))
    await running.api.put(f"/configurations/{place}", {"raw_config": SECOND})
    async with new_agent(labels={"place": place}) as agent:
        await agent.until(lambda agent: agent.body == SECOND)

        restored = await running.api.post(f"/configurations/{place}/rollback/1")

        await agent.until(lambda agent: agent.body == FIRST)
        assert restored["version"] == 3
        history = (await running.api.get(f"/configurations/{place}/history"))["histories"]
        assert [each["version"] for each in history] == [3, 2, 1]
        shown = _Shown(running, agent, place)
        await eventually(lambda: shown.applied(restored["config_hash"]))


async def test_push_offers_once_more(
    running: Platform, new_agent: NewAgent, eventually: Eventually, place: str
) -> None:
    """A push reaches an agent that runs the content already, and one that failed on it."""
    async with new_agent(labels={"place": place}) as agent:
        agent.refuse_with = "disk full"
        await eventually(lambda: running.api.agent(agent))
        made = await running.api.post("/configurations", _draft(place))
        shown = _Shown(running, agent, place)
        await eventually(shown.failed)
        agent.refuse_with = ""

        pushed = await running.api.post(f"/configurations/{place}/push", agent_id=agent.id)

        assert (pushed["affected_agents"], pushed["failed"]) == ([agent.id], 0)
        await eventually(lambda: shown.applied(made["config_hash"]))
        assert len(agent.configs) == 2


async def test_deleted_configuration_is_not_replaced_by_an_empty_one(
    running: Platform, new_agent: NewAgent, eventually: Eventually, place: str
) -> None:
    """When nothing matches any more an agent keeps what it has: never an empty configuration by accident."""
    await running.api.post("/configurations", _draft(place))
    async with new_agent(labels={"place": place}) as agent:
        await agent.until(lambda agent: agent.body == FIRST)

        await running.api.delete(f"/configurations/{place}")
        await agent.report(agent.health_report())
        await eventually(lambda: running.api.agent(agent))
        await agent.look()

        assert agent.effective == FIRST
        assert len(agent.configs) == 1
        answer = await running.api.ask("GET", f"/configurations/{place}")
        assert answer.status_code == 404
