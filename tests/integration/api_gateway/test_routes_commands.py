"""What one agent is told over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api_gateway.permissions import Role
from contracts import subjects
from contracts.ids import format_uid
from fleet.api.v1 import identity_pb2 as identity
from fleet.events.v1.custom_pb2 import CustomMessageHeard
from opamp.v1.opamp_pb2 import CommandType_Restart, CustomMessage
from servicekit.errors import Conflict
from world.eventually import wait_until

UID = bytes(range(16))
ROOT = f"/api/v1/agents/{format_uid(UID)}"
MESSAGES = ("POST", "/api/v1/agents/{id}/custom-messages")
ECHO = "com.example.echo"
TOLD = identity.TellAgentReply(gateway_id="g1", at_once=True)


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    """Give a gateway that holds two waiting calls, and keeps one capability for administrators."""
    return {"max_waiting_calls": 2, "custom_capability_roles": {"com.example.shell*": "admin"}}


async def say(stand: Any, *messages: CustomMessage) -> None:
    """Speak as the agent does, through whichever gateway holds it."""
    for message in messages:
        heard = CustomMessageHeard(tenant_id="default", instance_uid=UID, message=message)
        await stand.bus.publish(subjects.custom("default", UID), heard.SerializeToString())


async def test_an_agent_is_restarted_and_asked_for_its_components(api: Any, stand: Any, conforms: Any) -> None:
    """202: taken on, not done."""
    stand.answer(subjects.TELL_AGENT, TOLD)
    operator = await api.as_role(Role.OPERATOR)

    restarted = await api.call("POST", f"{ROOT}/restart", token=operator)
    command = stand.last(subjects.TELL_AGENT)
    refreshed = await api.call("POST", f"{ROOT}/components/refresh", token=operator)

    conforms(restarted, ("POST", "/api/v1/agents/{id}/restart"))
    conforms(refreshed, ("POST", "/api/v1/agents/{id}/components/refresh"))
    assert (restarted.status, restarted.body) == (202, {"gateway_id": "g1", "at_once": True})
    assert (command.command.type, command.author) == (CommandType_Restart, "the-operator")
    assert stand.last(subjects.TELL_AGENT).report_available_components


async def test_an_agent_that_cannot_be_told_is_a_conflict(api: Any, stand: Any, conforms: Any) -> None:
    """The sentence says which of its reasons."""

    def refuse(_request: Any) -> Any:
        public = "the agent is not connected"
        raise Conflict(public)

    stand.answer(subjects.TELL_AGENT, refuse)

    reply = await api.call("POST", f"{ROOT}/restart", token=await api.as_role(Role.OPERATOR))

    conforms(reply, ("POST", "/api/v1/agents/{id}/restart"))
    assert (reply.status, reply.body["detail"]) == (409, "the agent is not connected")


async def test_a_message_goes_out_without_waiting(api: Any, stand: Any, conforms: Any) -> None:
    """202 and where it went."""
    stand.answer(subjects.TELL_AGENT, TOLD)

    reply = await api.call(
        "POST",
        f"{ROOT}/custom-messages",
        token=await api.as_role(Role.OPERATOR),
        json={"capability": ECHO, "type": "ask", "data": "AAE="},
    )

    conforms(reply, MESSAGES)
    assert (reply.status, reply.body["at_once"]) == (202, True)
    asked = stand.last(subjects.TELL_AGENT).custom_message
    assert (asked.capability, asked.type, asked.data) == (ECHO, "ask", b"\x00\x01")


async def test_an_answer_given_at_once_is_heard(api: Any, stand: Any, conforms: Any) -> None:
    """The agent answers before the gateway has said that it was told; other talk is passed over."""

    def tell(_request: Any) -> Any:
        other = CustomMessage(capability="other", type="answer")
        wrong = CustomMessage(capability=ECHO, type="progress")
        right = CustomMessage(capability=ECHO, type="answer", data=b"pong")
        stand.talk = asyncio.ensure_future(say(stand, other, wrong, right))
        return TOLD

    stand.answer(subjects.TELL_AGENT, tell)
    document = {"capability": ECHO, "text": "ping", "await_reply": True, "reply_type": "answer"}

    reply = await api.call("POST", f"{ROOT}/custom-messages", token=await api.as_role(Role.OPERATOR), json=document)

    conforms(reply, MESSAGES)
    assert reply.status == 200
    assert reply.body["reply"] == {"capability": ECHO, "type": "answer", "data": "cG9uZw==", "text": "pong"}


async def test_silence_ends_in_a_timeout(api: Any, stand: Any, conforms: Any) -> None:
    """504, and the place is free for the next call."""
    stand.answer(subjects.TELL_AGENT, TOLD)
    document = {"capability": ECHO, "await_reply": True, "timeout_seconds": 0.05}
    operator = await api.as_role(Role.OPERATOR)

    replies = [await api.call("POST", f"{ROOT}/custom-messages", token=operator, json=document) for _ in range(3)]

    conforms(replies[0], MESSAGES)
    assert [reply.status for reply in replies] == [504] * 3
    assert replies[0].body["code"] == "no_reply"


async def test_only_so_many_calls_wait(api: Any, stand: Any, conforms: Any) -> None:
    """The third is sent away at once; the two get their answers."""
    stand.answer(subjects.TELL_AGENT, TOLD)
    operator = await api.as_role(Role.OPERATOR)
    document = {"capability": ECHO, "await_reply": True, "timeout_seconds": 30}

    async def call() -> Any:
        return await api.call("POST", f"{ROOT}/custom-messages", token=operator, json=document)

    waiting = [asyncio.ensure_future(call()) for _ in range(2)]

    async def both_told() -> bool:
        return [name for name, _ in stand.asked].count("tell_agent") == 2

    await wait_until(both_told)
    third = await call()
    await say(stand, CustomMessage(capability=ECHO))

    conforms(third, MESSAGES)
    assert (third.status, third.body["code"]) == (429, "too_many_waiting")
    assert [(await reply).status for reply in waiting] == [200, 200]


async def test_what_cannot_be_read_is_passed_over(api: Any, stand: Any) -> None:
    """Noise on the subject ends no call."""

    def tell(_request: Any) -> Any:
        async def talk() -> None:
            await stand.bus.publish(subjects.custom("default", UID), b"\xff\xff")
            await say(stand, CustomMessage(capability=ECHO))

        stand.talk = asyncio.ensure_future(talk())
        return TOLD

    stand.answer(subjects.TELL_AGENT, tell)

    reply = await api.call(
        "POST",
        f"{ROOT}/custom-messages",
        token=await api.as_role(Role.OPERATOR),
        json={"capability": ECHO, "await_reply": True},
    )

    assert reply.status == 200


async def test_a_capability_may_be_kept_for_administrators(api: Any, stand: Any, conforms: Any) -> None:
    """By the setting; every other one is open to operators."""
    stand.answer(subjects.TELL_AGENT, TOLD)
    document = {"capability": "com.example.shell.run"}

    refused = await api.call("POST", f"{ROOT}/custom-messages", token=await api.as_role(Role.OPERATOR), json=document)
    taken = await api.call("POST", f"{ROOT}/custom-messages", token=await api.as_role(Role.ADMIN), json=document)

    conforms(refused, MESSAGES)
    assert (refused.status, refused.body["code"]) == (403, "capability_not_permitted")
    assert taken.status == 202
