"""S-220 to S-225: agents of other versions, and several agents on one connection."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from google.protobuf.unknown_fields import UnknownFieldSet

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant
from opampctl.conformance.checks.acting import FULL_STATE, known
from opampctl.conformance.heard import Transport
from opampctl.conformance.verdict import NotApplicable, require
from opampctl.conformance.wire import delimited, number

if TYPE_CHECKING:
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.probe import Probe

_FUTURE_BITS = 1 << 40 | 1 << 20
_FUTURE_FLAGS = 1 << 33 | 1 << 5
_ROUNDS = 6


@check("S-220")
async def unknown_fields_are_ignored(probe: Probe) -> None:
    """Fields of every wire type, at the top and inside, do no harm, and the rest counts."""
    strange = number(900, 1) + delimited(901, b"future") + b"\xb5\x38\x01\x02\x03\x04" + b"\xb9\x38" + bytes(8)
    for transport in Transport:
        agent = probe.persona()
        line = await probe.line(transport)
        inside = agent.description().SerializeToString() + strange
        answer = await line.ask(agent.message().SerializeToString() + strange + delimited(3, inside))
        require(not answer.refused, f"{transport}: unknown fields were refused")
        require(answer.message.instance_uid == agent.uid, f"{transport}: the answer names another agent")
        with contextlib.suppress(NotApplicable):
            view = await probe.look(agent, lambda view: view.get("name"))
            require(view.get("name") == agent.name, "the known fields beside unknown ones were not taken")


@check("S-221")
async def unknown_bits_do_no_harm(probe: Probe) -> None:
    """Capability and flag bits of the future bring no error."""
    for transport in Transport:
        agent = probe.persona(1 | _FUTURE_BITS)
        line = await probe.line(transport)
        for message in (agent.full(flags=_FUTURE_FLAGS), agent.message(flags=_FUTURE_FLAGS)):
            require(not (await line.ask(message)).refused, f"{transport}: unknown bits were refused")


@invariant("S-222", broken="a field nobody defined")
def schema_is_the_published_one(record: Record) -> bool | None:
    """Every message reads by the published schema without a rest."""
    return len(UnknownFieldSet(record.heard.message)) == 0


@check("S-223")
async def unknown_enum_values_are_tolerated(probe: Probe) -> None:
    """Values of the future in status enums bring no error."""
    for transport in Transport:
        agent = probe.persona()
        line = await probe.line(transport)
        await line.ask(agent.full())
        config = delimited(7, delimited(1, b"hash") + number(2, 77))
        packages = delimited(8, delimited(1, delimited(1, b"p") + delimited(2, delimited(1, b"p") + number(6, 77))))
        settings = delimited(15, delimited(1, b"hash") + number(2, 77))
        for what, part in (("config status", config), ("package status", packages), ("settings status", settings)):
            answer = await line.ask(agent.message().SerializeToString() + part)
            require(not answer.refused, f"{transport}: an unknown {what} was refused")


@check("S-224")
async def agents_share_a_connection(probe: Probe) -> None:
    """Three agents that take turns on one WebSocket are each followed by their own uid and number."""
    agents = [probe.persona() for _ in range(3)]
    line = await probe.websocket()
    for agent in agents:
        answer = (await line.ask(agent.full())).message
        require(answer.instance_uid == agent.uid, "an answer names another agent")
    for _ in range(_ROUNDS):
        for agent in agents:
            answer = (await line.ask(agent.message())).message
            require(answer.instance_uid == agent.uid, "an answer names another agent")
            require(not answer.flags & FULL_STATE, "an agent in sequence was asked for its full state")
    with contextlib.suppress(NotApplicable):
        for agent in agents:
            view = await probe.look(agent, lambda view: view.get("connected"))
            require(view.get("connected"), "one of the agents is not shown as connected")


@check("S-225")
async def goodbye_on_a_shared_connection(probe: Probe) -> None:
    """One agent's goodbye leaves the other on the connection; the end of the connection ends that one, too."""
    going, staying = probe.persona(), probe.persona()
    line = await probe.websocket()
    for agent in (going, staying):
        await line.ask(agent.full())
    line.say(going.message(agent_disconnect=opamp.AgentDisconnect()))
    line.say(staying.message())
    answer = await line.hear()
    if answer.message.instance_uid == going.uid:
        answer = await line.hear()
    require(answer.message.instance_uid == staying.uid, "the agent that stayed was not answered")
    require(not answer.message.flags & FULL_STATE, "the agent that stayed was asked for its full state")
    with contextlib.suppress(NotApplicable):
        await known(probe, staying)
        view = await probe.look(going, lambda view: not view.get("connected"))
        require(not view.get("connected"), "the agent that went is still shown as connected")
        view = await probe.do("show_agent", instance_uid=staying.text)
        require(view.get("connected"), "the agent that stayed is not shown as connected")
        line.socket.drop()
        view = await probe.look(staying, lambda view: not view.get("connected"))
        require(not view.get("connected"), "the end of the connection left an agent shown as connected")
