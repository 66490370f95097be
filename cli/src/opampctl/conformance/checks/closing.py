"""S-194 to S-201: goodbyes, lost connections, repeated messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, untestable
from opampctl.conformance.checks.acting import configure, known, settle, unused
from opampctl.conformance.heard import Transport
from opampctl.conformance.persona import ACCEPTS_CONFIG
from opampctl.conformance.verdict import NotApplicable, require

if TYPE_CHECKING:
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Probe

untestable({"S-198": "the server's rule for silent pollers is its own, and slower than a run of the suite"})


@check("S-194")
async def websocket_ends_with_a_close_frame(probe: Probe) -> None:
    """A Close frame is answered with one; where the server can be moved to end a connection, it sends one first."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    require(await line.socket.close(probe.patience.answer), "the server did not end the connection after a Close frame")
    require(line.socket.closed_with is not None, "the server dropped the connection without a Close frame")
    line = await probe.websocket()
    await line.ask(agent.full())
    try:
        await known(probe, agent)
        await probe.do("forget_agent", instance_uid=agent.text)
    except NotApplicable:
        return
    if await line.socket.ending(probe.patience.effect):
        require(line.socket.closed_with is not None, "the server ended the connection without a Close frame")


@check("S-195")
async def goodbye_ends_the_session(probe: Probe) -> None:
    """After agent_disconnect the agent is shown as disconnected, though the WebSocket is still open."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    await _connected(probe, agent)
    line.say(agent.message(agent_disconnect=opamp.AgentDisconnect()))
    await _disconnected(probe, agent, "a goodbye")


@check("S-196")
async def lost_connection_ends_the_session(probe: Probe) -> None:
    """After a connection that just ends the agent is shown as disconnected."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    await _connected(probe, agent)
    line.socket.drop()
    await _disconnected(probe, agent, "the end of its connection")


@check("S-197")
async def goodbye_in_a_poll_ends_the_session(probe: Probe) -> None:
    """After agent_disconnect in a poll the agent is shown as disconnected."""
    agent = probe.persona()
    line = probe.polling()
    await line.ask(agent.full())
    await _connected(probe, agent)
    await line.post(agent.message(agent_disconnect=opamp.AgentDisconnect()))
    view = await probe.look(agent, lambda view: not view.get("connected"))
    if view.get("connected"):
        raise unused("heed a goodbye in a poll at once")


@check("S-199")
async def every_copy_is_answered(probe: Probe) -> None:
    """The same bytes sent three times bring three answers, on both transports."""
    for transport in Transport:
        agent = probe.persona()
        line = await probe.line(transport)
        await line.ask(agent.full())
        copy = agent.message().SerializeToString()
        for number in range(3):
            answer = await line.ask(copy)
            require(not answer.refused, f"{transport}: copy {number + 1} was refused")


@check("S-200")
async def newest_message_of_a_kind_is_enough(probe: Probe) -> None:
    """Of two configs set between two polls only the newer comes."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = probe.polling()
    await line.ask(agent.full())
    await configure(probe, agent, "older: 1\n")
    await configure(probe, agent, "newer: 2\n")
    await settle(probe)
    bodies: list[bytes] = []

    async def poll() -> dict[str, Any]:
        message = (await line.ask(agent.message())).message
        bodies.extend(file.body for file in message.remote_config.config.config_map.values())
        return {"over": any(b"newer" in body for body in bodies)}

    await probe.until(poll, lambda answer: answer["over"])
    require(any(b"newer" in body for body in bodies), "the newer config did not come")
    if any(b"older" in body for body in bodies):
        raise unused("drop what was superseded before it was delivered")


@check("S-201")
async def stale_connection_gives_way(probe: Probe) -> None:
    """An agent that comes back while its old connection hangs keeps its uid."""
    agent = probe.persona()
    stale = await probe.websocket()
    stale.socket.deaf = True
    await stale.ask(agent.full())
    line = await probe.websocket()
    line.say(agent.full())
    heard = await line.hear(probe.patience.clone)
    heard_all = [heard, *await line.silence()]
    renamed = any(each.readable and each.message.HasField("agent_identification") for each in heard_all)
    if renamed:
        raise unused("tell a returning agent from a clone")


async def _connected(probe: Probe, agent: Persona) -> None:
    view = await probe.look(agent, lambda view: view.get("connected"))
    require(view.get("connected"), "the agent is not shown as connected")


async def _disconnected(probe: Probe, agent: Persona, after: str) -> None:
    view = await probe.look(agent, lambda view: not view.get("connected"))
    require(not view.get("connected"), f"the agent is still shown as connected after {after}")
