"""Other systems listen on the bus: what they hear about one agent and one configuration, each thing once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nats
import pytest
from nats.js.api import ConsumerConfig, DeliverPolicy

from contracts import subjects
from fleet.events.v1 import agent_pb2, config_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.msg import Msg

    from world.eventually import Eventually
    from world.platform import Platform


class Listener:
    """Another system."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        """Subject and what it says, in order."""

    async def hear(self, message: Msg) -> None:
        """Note one event."""
        is_agent = message.subject.startswith("fleet.v1.agent.")
        event = (agent_pb2.AgentEvent if is_agent else config_pb2.ConfigEvent).FromString(message.data)
        assert event.tenant_id == "default"
        assert event.event_id
        self.heard.append((message.subject, event))

    def about(self, text: str) -> list[str]:
        """What happened to whoever has *text* in its subject or is called so."""
        return [
            event.WhichOneof("what")
            for subject, event in self.heard
            if text in subject or getattr(event, "name", "") == text
        ]


@pytest.fixture
async def listener(running: Platform) -> AsyncIterator[Listener]:
    """Give a listener on every domain event from now on."""
    client = await nats.connect(running.run_json["nats_url"])
    made = Listener()
    await client.jetstream().subscribe(
        "",
        stream=subjects.EVENTS_STREAM,
        cb=made.hear,
        ordered_consumer=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.NEW),
    )
    yield made
    await client.close()


async def test_life_of_an_agent_is_told(
    running: Platform, listener: Listener, eventually: Eventually, place: str
) -> None:
    """Online, described, sick, offline, in order; its configuration applied meanwhile; and nothing twice."""
    draft = {"name": place, "content_type": "yaml", "raw_config": "a: 1\n", "selector": {"place": place}}
    await running.api.post("/configurations", draft)
    agent = running.websocket_agent(labels={"place": place})
    await agent.connect()
    await eventually(lambda: "config_applied" in listener.about(agent.id))
    agent.healthy = False
    await agent.send(agent.health_report())
    await eventually(lambda: listener.about(agent.id).count("health_changed") >= 1)
    await agent.close()
    await eventually(lambda: "offline" in listener.about(agent.id))

    told = listener.about(agent.id)
    for once in ("online", "described", "config_applied", "offline"):
        assert told.count(once) == 1, told
    # Order holds within what one service says: applied is config-service's word, the rest agent-state's.
    by_agent_state = [what for what in told if what != "config_applied"]
    assert by_agent_state[0] == "online"
    assert by_agent_state.index("described") < by_agent_state.index("health_changed")
    assert by_agent_state[-1] == "offline"
    identities = [event.event_id for _, event in listener.heard]
    assert len(identities) == len(set(identities))


async def test_life_of_a_configuration_is_told(
    running: Platform, listener: Listener, eventually: Eventually, place: str
) -> None:
    """Created, changed, deleted, each with version and author."""
    await running.api.post("/configurations", {"name": place, "content_type": "json", "raw_config": "{}"})
    await running.api.put(f"/configurations/{place}", {"raw_config": '{"a": 1}', "comment": "why not"})
    await running.api.delete(f"/configurations/{place}")

    await eventually(lambda: listener.about(place) == ["created", "changed", "deleted"])

    events = [event for _, event in listener.heard if getattr(event, "name", "") == place]
    assert [event.version for event in events][:2] == [1, 2]
    assert events[1].comment == "why not"
    assert events[0].author == running.run_json["admin_user"]
