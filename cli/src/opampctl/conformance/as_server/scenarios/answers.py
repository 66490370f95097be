"""What an agent does about answers that ask nothing of it, and about strange ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.as_server.manners import ALL_CAPABILITIES
from opampctl.conformance.as_server.scene import new_uid
from opampctl.conformance.heard import Transport
from opampctl.conformance.wire import delimited, number

if TYPE_CHECKING:
    from opampctl.conformance.as_server.said import Said
    from opampctl.conformance.as_server.scene import Scene

ACKNOWLEDGEMENTS = 8
_POLLS_PER_SECOND = 20
_BEATS_PER_SECOND = 4
_FULL_STATE = opamp.ServerToAgentFlags_ReportFullState
_STRANGE_FIELD = 1999
_STRANGE_BITS = 1 << 40
_PADDING_BYTES = 300
_OTHER_HEADER = b"\x05"
_LONG_ZERO = b"\x80\x80\x00"


@scenario("C-013 C-050 C-051 C-052 C-084")
async def acknowledgements(scene: Scene) -> None:
    """Any number of acknowledgements causes no message."""
    await scene.meet()
    await scene.full_report()
    meeting, began = scene.meeting, len(scene.log.said)
    at = scene.log.said[-1].at
    if not scene.over_http:
        for _ in range(ACKNOWLEDGEMENTS):
            await scene.tell()
    news = await scene.quiet(began)
    said = scene.log.since(began)
    seconds = said[-1].at - at if said else 0.0
    rate = _POLLS_PER_SECOND if scene.over_http else _BEATS_PER_SECOND
    chatter = len(said) > ACKNOWLEDGEMENTS - 1 + rate * seconds
    scene.judge("C-051 C-052", not news and not chatter, f"acknowledgements are answered by {len(said)} messages")
    report = await scene.still_there("C-013 C-050", meeting, "messages it did not ask for")
    if scene.has(opamp.AgentCapabilities_ReportsEffectiveConfig):
        scene.judge("C-084", "effective_config" in report.parts, "capabilities of 0 made it keep its configuration")
    else:
        scene.skip("C-084", "no capability of the server changes what this agent reports")


@scenario("C-282 C-283 C-285")
async def strange_messages(scene: Scene) -> None:
    """Fields, bits and enum values nobody knows do no harm."""
    await scene.meet()
    await scene.full_report()
    meeting = scene.meeting
    known = opamp.ServerToAgent(instance_uid=scene.door.uid).SerializeToString()
    await scene.tell_raw(known + delimited(_STRANGE_FIELD, b"strange") + number(_STRANGE_FIELD + 1, 7))
    await scene.still_there("C-282", meeting, "a field nobody knows")
    await scene.tell(opamp.ServerToAgent(flags=_STRANGE_BITS, capabilities=ALL_CAPABILITIES | _STRANGE_BITS))
    await scene.still_there("C-283", meeting, "bits nobody knows")
    await scene.tell_raw(known + delimited(2, number(1, 77)))
    await scene.still_there("C-285", meeting, "an error of a type nobody knows")


@scenario("C-012", transports=(Transport.WEBSOCKET,))
async def header_alone(scene: Scene) -> None:
    """A message of nothing but its header is endured."""
    await scene.meet()
    await scene.full_report()
    meeting = scene.meeting
    await scene.tell_raw(b"")
    await scene.still_there("C-012", meeting, "a message of nothing but its header")


@scenario("C-010 C-011", transports=(Transport.WEBSOCKET,))
async def long_headers(scene: Scene) -> None:
    """A header spelt longer than needed is zero all the same, and the rest is read to its end."""
    await scene.meet()
    await scene.full_report()
    wish = opamp.ServerToAgent(instance_uid=scene.door.uid, flags=_FULL_STATE).SerializeToString()
    scene.door.excused = True
    mark = await scene.tell_raw(wish, header=_LONG_ZERO)
    await scene.expect("C-010", _is_full, "a header of three bytes is not read", since=mark)
    scene.door.excused = True
    last = number(6, _FULL_STATE)
    known = opamp.ServerToAgent(instance_uid=scene.door.uid).SerializeToString()
    mark = await scene.tell_raw(known + delimited(_STRANGE_FIELD, bytes(_PADDING_BYTES)) + last)
    await scene.expect("C-011", _is_full, "the last field of a longer message has no effect", since=mark)


@scenario("C-009", transports=(Transport.WEBSOCKET,))
async def other_headers(scene: Scene) -> None:
    """A message behind a header that is not zero has no effect."""
    await scene.meet()
    await scene.full_report()
    wish = opamp.ServerToAgent(instance_uid=scene.door.uid, flags=_FULL_STATE).SerializeToString()
    scene.door.excused = True
    mark = await scene.tell_raw(wish, header=_OTHER_HEADER)
    await scene.log.quiet(scene.patience.quiet)
    heeded = any(_is_full(each) and not each.first for each in scene.log.since(mark))
    scene.judge("C-009", not heeded, "what stands behind a header of 5 is done")


@scenario("C-286")
async def another_agent(scene: Scene) -> None:
    """What is for another agent is not done."""
    await scene.meet()
    await scene.full_report()
    mark = await scene.tell(opamp.ServerToAgent(flags=_FULL_STATE), uid=new_uid())
    await scene.log.quiet(scene.patience.quiet)
    heeded = any(_is_full(each) for each in scene.log.since(mark))
    scene.judge("C-286", not heeded, "a message for another uid is heeded")


@scenario("C-026", transports=(Transport.HTTP,))
async def packed_answers(scene: Scene) -> None:
    """An agent that takes gzip reads it."""
    met = await scene.meet()
    if "gzip" not in met.headers.get("accept-encoding", ""):
        scene.skip("C-026", "the agent does not take gzip")
        return
    scene.manners.packs = True
    await scene.still_there("C-026", None, "a gzipped answer")


@scenario("C-086")
async def modest_server(scene: Scene) -> None:
    """A server that takes nothing but status is enough; what it does not take is not sent to it."""
    scene.manners.capabilities = opamp.ServerCapabilities_AcceptsStatus
    await scene.meet()
    meeting = scene.meeting
    await scene.still_there("C-086", meeting, "hearing that the server takes nothing but status")


def _is_full(said: Said) -> bool:
    return "agent_description" in said.parts
