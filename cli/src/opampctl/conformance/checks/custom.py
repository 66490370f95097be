"""S-179 to S-188: custom capabilities and messages."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant, untestable
from opampctl.conformance.checks.acting import attempt, hear_field, known, nothing_with, unused
from opampctl.conformance.heard import Transport
from opampctl.conformance.verdict import NotApplicable, require

if TYPE_CHECKING:
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Probe, SocketLine

_NAME = re.compile(r"[a-z0-9-]+(\.[A-Za-z0-9_-]+)+(/.+)?")
_NONE_NAMED = "the server announces no custom capability"
_EVERY_BYTE = bytes(range(256))

untestable(
    {
        "S-187": "only the server knows which types a capability of its own has",
        "S-188": "how messages are handed on inside the server does not show on the wire",
    }
)


@check("S-179")
async def custom_capabilities_are_announced(probe: Probe) -> None:
    """The first answer announces custom capabilities."""
    if await _announced(probe) is None:
        raise NotApplicable(_NONE_NAMED)


@check("S-180")
async def custom_capabilities_are_announced_once(probe: Probe) -> None:
    """Answers after the first do not announce them again."""
    seen = False
    for transport in Transport:
        agent = probe.persona()
        line = await probe.line(transport)
        seen |= (await line.ask(agent.full())).message.HasField("custom_capabilities")
        for _ in range(2):
            again = (await line.ask(agent.message())).message.HasField("custom_capabilities")
            require(not again, f"{transport}: custom capabilities come again though nothing changed")
    if not seen:
        raise NotApplicable(_NONE_NAMED)


@check("S-181")
async def list_replaces_the_old_one(probe: Probe) -> None:
    """A second list leaves nothing of the first, and an empty one leaves nothing."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full(custom_capabilities=_capabilities("org.example.a", "org.example.b")))
    await known(probe, agent)
    for names in (["org.example.c"], []):
        await line.ask(agent.message(custom_capabilities=_capabilities(*names)))
        view = await probe.look(agent, partial(_names, names))
        require(_names(names, view), f"shown are {view.get('custom_capabilities')}")


@check("S-182")
async def agent_without_list_gets_no_custom_message(probe: Probe) -> None:
    """A custom message for an agent that never named a capability stays unsent."""
    agent, line = await _met(probe)
    capability = await _own_capability(probe)
    await attempt(probe, "send_custom_message", agent, **_greeting(capability))
    await nothing_with(probe, agent, line, lambda said: said.HasField("custom_message"), "a custom message")


@invariant("S-183", broken="a custom capability that is no reverse-domain name", unseen=_NONE_NAMED)
def custom_capabilities_are_reverse_domains(record: Record) -> bool | None:
    """Each name is a reverse FQDN, with a version at most."""
    names = record.heard.message.custom_capabilities.capabilities
    return all(_NAME.fullmatch(name) for name in names) if names else None


@check("S-184")
async def unknown_custom_message_does_no_harm(probe: Probe) -> None:
    """A custom message of an unknown capability is answered, and the connection goes on."""
    for transport in Transport:
        agent = probe.persona()
        line = await probe.line(transport)
        strange = opamp.CustomMessage(capability="org.example.unheard-of", type="?", data=b"\x00\xff")
        await line.ask(agent.full())
        require(not (await line.ask(agent.message(custom_message=strange))).refused, f"{transport}: refused")
        require(not (await line.ask(agent.message())).refused, f"{transport}: refused afterwards")


@check("S-185")
async def custom_message_needs_the_announcement(probe: Probe) -> None:
    """A custom message of a capability the agent did not name stays unsent, one it named comes."""
    capability = await _own_capability(probe)
    agent, line = await _met(probe, "org.example.other")
    await attempt(probe, "send_custom_message", agent, **_greeting(capability))
    await nothing_with(
        probe, agent, line, lambda said: said.HasField("custom_message"), "a message it did not announce"
    )
    await line.ask(agent.message(custom_capabilities=_capabilities(capability)))
    await probe.look(agent, lambda view: capability in (view.get("custom_capabilities") or []))
    await probe.do("send_custom_message", instance_uid=agent.text, **_greeting(capability))
    heard = await hear_field(probe, line, "custom_message")
    require(heard.message.custom_message.capability == capability, "the message is of another capability")


@check("S-186")
async def custom_data_is_bytes(probe: Probe) -> None:
    """Every byte value comes to the agent as it was sent, and back as it was answered."""
    capability = await _own_capability(probe)
    agent, line = await _met(probe, capability)
    answer: dict[str, Any] = {}

    async def send() -> None:
        sent = _greeting(capability)
        answer.update(await probe.do("send_custom_message", instance_uid=agent.text, await_reply=True, **sent))

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_quietly(send()))
        heard = await _custom_or_end(probe, line, sending)
        if heard is not None:
            message = heard.custom_message
            require(message.data == _EVERY_BYTE, "the data changed on its way to the agent")
            back = opamp.CustomMessage(capability=capability, type="answer", data=_EVERY_BYTE[::-1])
            await line.ask(agent.message(custom_message=back))
    refusal = sending.result()
    if refusal is not None:
        raise refusal
    reply = answer.get("reply")
    if reply is not None:
        require(base64.b64decode(reply["data"]) == _EVERY_BYTE[::-1], "the data changed on its way back")


async def _quietly(sending: Any) -> NotApplicable | None:
    """Await; a refusal is returned, for a task group would wrap it."""
    try:
        await sending
    except NotApplicable as error:
        return error
    return None


async def _custom_or_end(
    probe: Probe, line: SocketLine, sending: asyncio.Task[NotApplicable | None]
) -> opamp.ServerToAgent | None:
    """Wait for the custom message; None when sending it was refused before."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + probe.patience.effect
    while loop.time() < deadline:
        heard = await line.socket.next(0.2)
        if heard is not None and heard.readable and heard.message.HasField("custom_message"):
            return heard.message
        if sending.done() and sending.result() is not None:
            return None
    require(condition=False, sentence="the custom message did not come")
    return None


def _names(names: list[str], view: dict[str, Any]) -> bool:
    return view.get("custom_capabilities") == names


async def _met(probe: Probe, *names: str) -> tuple[Persona, SocketLine]:
    agent = probe.persona()
    line = await probe.websocket()
    parts = {"custom_capabilities": _capabilities(*names)} if names else {}
    await line.ask(agent.full(**parts))
    await known(probe, agent)
    with contextlib.suppress(NotApplicable):
        await probe.look(agent, lambda view: set(names) <= set(view.get("custom_capabilities") or []))
    return agent, line


async def _announced(probe: Probe) -> list[str] | None:
    message = (await (await probe.websocket()).ask(probe.persona().full())).message
    return list(message.custom_capabilities.capabilities) if message.HasField("custom_capabilities") else None


async def _own_capability(probe: Probe) -> str:
    """Return a capability of the server's own to send with."""
    names = await _announced(probe)
    if not names:
        raise unused("announce a custom capability")
    return names[0]


def _capabilities(*names: str) -> opamp.CustomCapabilities:
    return opamp.CustomCapabilities(capabilities=names)


def _greeting(capability: str) -> dict[str, str]:
    return {"capability": capability, "type": "conformance", "data": base64.b64encode(_EVERY_BYTE).decode()}
