"""Moves several checks have in common; judges nothing but that the moves can be made."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.persona import ACCEPTS_CONFIG, Persona
from opampctl.conformance.stimulus import Refused
from opampctl.conformance.verdict import Failed, NotApplicable, require

if TYPE_CHECKING:
    from collections.abc import Callable

    from opampctl.conformance.heard import Heard
    from opampctl.conformance.probe import Line, Probe, SocketLine

FULL_STATE = int(opamp.ServerToAgentFlags_ReportFullState)
COMPONENTS = int(opamp.ServerToAgentFlags_ReportAvailableComponents)
REQUEST_UID = int(opamp.AgentToServerFlags_RequestInstanceUid)


async def known(probe: Probe, agent: Persona) -> None:
    """Wait until the server knows the agent."""
    view = await probe.look(agent, lambda view: view.get("known"))
    if not view.get("known"):
        raise Failed("the server does not know the agent after its first report")


async def configure(probe: Probe, agent: Persona, body: str) -> None:
    """Make *body* the agent's configuration; it has reported before."""
    await known(probe, agent)
    await probe.do("offer_config", instance_uid=agent.text, body=body, content_type="yaml")


async def hear_field(probe: Probe, line: SocketLine, name: str) -> Heard:
    """
    Wait for a message with a field, over others.

    Raises:
        Failed: None came.
    """
    while True:
        try:
            heard = await line.hear(probe.patience.effect)
        except Failed as error:
            raise Failed(f"{name} did not come: {error}") from error
        if heard.readable and heard.message.HasField(name):
            return heard


async def poll_for_field(probe: Probe, line: Line, agent: Persona, name: str) -> Heard:
    """
    Poll, as often as patience allows, until an answer has a field.

    Raises:
        Failed: None had.
    """
    found: list[Heard] = []

    async def poll() -> dict[str, Any]:
        found.append(await line.ask(agent.message()))
        return {"there": found[-1].message.HasField(name)}

    if not (await probe.until(poll, lambda answer: answer["there"]))["there"]:
        raise Failed(f"no answer had {name} within {probe.patience.effect:g} s")
    return found[-1]


async def offered(probe: Probe, agent: Persona, line: SocketLine, body: str) -> bytes:
    """Set a configuration and wait for it; returns its hash."""
    await configure(probe, agent, body)
    return (await hear_field(probe, line, "remote_config")).message.remote_config.config_hash


async def settle(probe: Probe) -> None:
    """Let the server act on what was set before: another agent is given a configuration, and has got it."""
    witness = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(witness.full())
    await offered(probe, witness, line, "witness: 1\n")


async def attempt(probe: Probe, action: str, agent: Persona, **what: Any) -> None:
    """Ask for something the server may well refuse."""
    with contextlib.suppress(Refused):
        await probe.do(action, instance_uid=agent.text, **what)


async def nothing_with(
    probe: Probe, agent: Persona, line: SocketLine, has: Callable[[opamp.ServerToAgent], object], what: str
) -> None:
    """
    Listen, then beat twice, and find nothing of a kind in all that comes.

    Raises:
        Failed: It came.
    """
    heard = await line.silence()
    for _ in range(2):
        heard.append(await line.ask(agent.message()))
    heard += await line.silence(probe.patience.quiet / 2)
    came = any(each.readable and has(each.message) for each in heard)
    require(not came, f"{what} was sent")


def status(config_hash: bytes, word: opamp.RemoteConfigStatuses, error: str = "") -> opamp.RemoteConfigStatus:
    """Write what became of a configuration."""
    return opamp.RemoteConfigStatus(last_remote_config_hash=config_hash, status=word, error_message=error)


@dataclass
class Clones:
    """Two agents with one uid on two WebSockets, and how that ended."""

    agent: Persona
    first: SocketLine
    second: SocketLine
    renamed: Heard | None = None
    closed: bool = False
    """One of the two WebSockets was ended by the server."""


async def clones(probe: Probe) -> Clones:
    """Bring up two live agents with one uid; waits until one is renamed, or closed, or patience ends."""
    agent = probe.persona(labels={"host.name": "one"})
    first = await probe.websocket()
    await first.ask(agent.full())
    await first.ask(agent.message())
    second = await probe.websocket()
    found = Clones(agent, first, second)
    clone = Persona(agent.name, uid=agent.uid, labels={"host.name": "another"})
    second.say(clone.full())

    async def look() -> dict[str, Any]:
        for line in (second, first):
            heard = await line.socket.next(probe.patience.quiet / 2)
            if heard is not None and heard.readable and heard.message.HasField("agent_identification"):
                found.renamed = heard
            found.closed = found.closed or line.socket.ended
        if not found.closed and found.renamed is None:
            for line, each in ((first, agent), (second, clone)):
                line.say(each.message())
        return {"over": found.closed or found.renamed is not None}

    await probe.until(look, lambda answer: answer["over"], seconds=probe.patience.clone)
    return found


def unused(what: str) -> NotApplicable:
    """Say that a server makes no use of a permission."""
    return NotApplicable(f"the server does not {what}, and need not")
