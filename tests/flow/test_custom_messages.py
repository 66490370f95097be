"""A custom message goes out through one gateway and is answered through whichever the agent is at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from contracts import subjects
from devstack.ports import free_port
from devstack.readiness import wait_all_ready
from devstack.services import service_process
from fleet.events.v1.custom_pb2 import CustomMessageHeard
from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import Fleet, FleetOptions, Transport
from servicekit.bus import Bus
from world.agents import WebSocketAgent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servicekit.bus import BusMessage
    from world.eventually import Eventually
    from world.platform import Platform

WITHIN = 30.0
ECHO = "com.example.echo"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def two_gateways(platform: Platform) -> Platform:
    """Give a platform with two gateways that announce the capability."""
    await platform.start(gateways=2, settings={"OPAMP_GATEWAY_CUSTOM_CAPABILITIES": ECHO})
    return platform


@pytest.fixture
async def second_api(two_gateways: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """Give a second replica of api-gateway, logged in."""
    stack, port, ops = two_gateways.stack, free_port(), free_port()
    settings = stack._settings_of("api-gateway") | {"API_GATEWAY_PORT": str(port), "API_GATEWAY_OPS_PORT": str(ops)}
    process = service_process("api-gateway-2", "api_gateway", settings, ops, stack.logs)
    process.start()
    try:
        await asyncio.to_thread(wait_all_ready, [process], 60.0, lambda _line: None)
        await two_gateways.api.login()
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/api/v1", headers=two_gateways.api.client.headers, timeout=WITHIN
        )
        async with client:
            yield client
    finally:
        await asyncio.to_thread(process.stop, 20.0)


class Talker(WebSocketAgent):
    """An agent that announces the capability and answers only when told to."""

    def full_state(self) -> opamp.AgentToServer:
        """Say the capability, too."""
        message = super().full_state()
        message.custom_capabilities.capabilities.append(ECHO)
        return message

    @property
    def asked(self) -> list[opamp.CustomMessage]:
        """Every custom message that came."""
        return [heard.custom_message for heard in self.heard if heard.HasField("custom_message")]

    def answer(self, data: bytes) -> opamp.AgentToServer:
        """Make the message that answers."""
        message = self.heartbeat()
        message.custom_message.CopyFrom(opamp.CustomMessage(capability=ECHO, type="answer", data=data))
        return message


def can_talk(platform: Platform, agent_id: str) -> Any:
    """Make a question: does the platform know that the agent announced the capability?"""

    async def ask() -> bool:
        found = await platform.api.agent(agent_id)
        return found is not None and found["custom_capabilities"] == [ECHO] and found["link"] == "connected"

    return ask


def question(text: str, **changes: Any) -> dict[str, Any]:
    """Make a message whose answer is waited for."""
    return {"capability": ECHO, "type": "ask", "text": text, "await_reply": True, "timeout_seconds": 30, **changes}


async def test_asked_through_one_gateway_answered_through_another(
    two_gateways: Platform, second_api: httpx.AsyncClient, eventually: Eventually
) -> None:
    """The agent takes the question, moves, and answers from there; both replicas that wait get the answer."""
    urls = two_gateways.run_json["opamp_urls"]
    first = Talker(urls[0], two_gateways.token)
    await first.connect()
    await eventually(can_talk(two_gateways, first.id), within=WITHIN)
    path = f"/agents/{first.id}/custom-messages"

    calls = [
        asyncio.ensure_future(client.post(path, json=question(f"from {name}")))
        for name, client in (("one", two_gateways.api.client), ("two", second_api))
    ]
    await first.until(lambda agent: len(agent.asked) == 2, within=WITHIN)
    assert {message.data for message in first.asked} == {b"from one", b"from two"}
    assert not any(call.done() for call in calls)

    await first.close(goodbye=False)
    second = Talker(urls[1], two_gateways.token, uid=first.uid)
    await second.connect()
    await second.send(second.answer(b"from afar"))
    answers = [await call for call in calls]
    await second.close()

    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    assert {answer.json()["reply"]["text"] for answer in answers} == {"from afar"}


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_every_agent_answers_its_own_question(
    two_gateways: Platform, eventually: Eventually, transport: Transport
) -> None:
    """Agents at both gateways, asked at once: nobody gets another's answer."""
    options = FleetOptions(
        endpoint=",".join(two_gateways.run_json["opamp_urls"]),
        token=two_gateways.token,
        agents=4,
        transport=transport,
        heartbeat_seconds=1.0,
        custom_capabilities=(ECHO,),
    )
    async with Fleet(options) as fleet:
        for agent in fleet.agents:
            await eventually(can_talk(two_gateways, agent.uid_text), within=WITHIN)

        answers = await asyncio.gather(
            *(
                two_gateways.api.client.post(f"/agents/{agent.uid_text}/custom-messages", json=question(agent.uid_text))
                for agent in fleet.agents
            )
        )

    assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
    told = [answer.json()["reply"]["text"] for answer in answers]
    assert told == [agent.uid_text for agent in fleet.agents]


async def test_other_systems_hear_what_agents_say(two_gateways: Platform, eventually: Eventually) -> None:
    """On the bus, at once, with who said it."""
    bus = await Bus.connect(two_gateways.run_json["nats_url"], name="listener")
    heard: list[CustomMessageHeard] = []

    async def hear(message: BusMessage) -> None:
        heard.append(CustomMessageHeard.FromString(message.payload))

    agent = Talker(two_gateways.run_json["opamp_urls"][0], two_gateways.token)
    await bus.subscribe(subjects.custom("default", agent.uid), hear)
    await bus.ping()
    await agent.connect()
    await agent.send(agent.answer(b"news"))

    await eventually(lambda: heard, within=WITHIN)

    assert (heard[0].instance_uid, heard[0].message.data) == (agent.uid, b"news")
    await agent.close()
    await bus.close()


async def test_an_agent_without_the_capability_is_not_sent_to(two_gateways: Platform, eventually: Eventually) -> None:
    """409 with the reason, and no waiting."""
    async with two_gateways.websocket_agent() as agent:

        async def known() -> Any:
            return await two_gateways.api.agent(agent)

        await eventually(known, within=WITHIN)
        refused = await two_gateways.api.ask("POST", f"/agents/{agent.id}/custom-messages", json=question("hi"))

    assert (refused.status_code, bool(refused.json()["detail"])) == (409, True)


async def test_an_agent_that_stays_silent_ends_the_call(two_gateways: Platform, eventually: Eventually) -> None:
    """504: it was told, and nothing came."""
    async with Talker(two_gateways.run_json["opamp_urls"][0], two_gateways.token) as agent:
        await eventually(can_talk(two_gateways, agent.id), within=WITHIN)
        document = question("hi", timeout_seconds=0.1)
        silent = await two_gateways.api.ask("POST", f"/agents/{agent.id}/custom-messages", json=document)
        await agent.until(lambda each: each.asked, within=WITHIN)

    assert (silent.status_code, silent.json()["code"]) == (504, "no_reply")
