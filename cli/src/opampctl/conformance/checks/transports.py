"""S-001 to S-007: one endpoint, two transports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opampctl.conformance.catalogue import check
from opampctl.conformance.heard import Transport
from opampctl.conformance.target import DEFAULT_PATH, DEFAULT_PORT
from opampctl.conformance.verdict import NotApplicable, require

if TYPE_CHECKING:
    from opampctl.conformance.probe import Probe

_SUCCESS = range(200, 300)


@check("S-001")
async def both_transports_are_served(probe: Probe) -> None:
    """A poll and a WebSocket exchange both complete."""
    for transport in Transport:
        line = await probe.line(transport)
        answer = await line.ask(probe.persona().full())
        require(not answer.refused, f"{transport}: the first report was refused")


@check("S-002")
async def default_path_is_served(probe: Probe) -> None:
    """The endpoint answers at /v1/opamp, if that is where it was said to be."""
    if probe.target.path != DEFAULT_PATH:
        raise NotApplicable("the endpoint was given with a path of its own")
    await probe.polling().ask(probe.persona().full())


@check("S-003")
async def other_path_is_served(probe: Probe) -> None:
    """The endpoint answers at another path than the default."""
    if probe.target.path == DEFAULT_PATH:
        raise NotApplicable("the endpoint was given with the default path")
    await probe.polling().ask(probe.persona().full())


@check("S-004")
async def default_port_is_served(probe: Probe) -> None:
    """The endpoint answers on port 4320, if that is where it was said to be."""
    if probe.target.port != DEFAULT_PORT:
        raise NotApplicable("the endpoint was given with a port of its own")
    await probe.polling().ask(probe.persona().full())


@check("S-005")
async def content_type_makes_a_poll(probe: Probe) -> None:
    """A protobuf POST at the path of the WebSocket is parsed and answered."""
    agent = probe.persona()
    answer = await probe.polling().ask(agent.full())
    require(answer.message.instance_uid == agent.uid, "the answer names another agent")
    await (await probe.websocket()).ask(agent.full())


@check("S-006")
async def other_content_is_no_poll(probe: Probe) -> None:
    """The same POST with another Content-Type, or none, is not parsed as a message."""
    for content_type in ("text/plain", ""):
        agent = probe.persona()
        answer = await probe.polling(Content_Type=content_type).post(agent.full())
        spoke = answer.status in _SUCCESS and answer.readable and answer.message.instance_uid == agent.uid
        require(not spoke, f"Content-Type {content_type or '(none)'}: the body was parsed as a message")
        require(answer.status not in _SUCCESS, f"a request that is no handshake was answered {answer.status}")


@check("S-007")
async def upgrade_is_plain(probe: Probe) -> None:
    """The handshake is RFC 6455's, and no subprotocol is asked for or chosen."""
    line = await probe.websocket()
    head = line.socket.head
    accept = head.headers.get("sec-websocket-accept", "")
    require(accept == line.socket.expected_accept, f"Sec-WebSocket-Accept is {accept!r}")
    require(head.headers.get("upgrade", "").lower() == "websocket", "101 without Upgrade: websocket")
    require("upgrade" in head.headers.get("connection", "").lower(), "101 without Connection: Upgrade")
    require("sec-websocket-protocol" not in head.headers, "a subprotocol was chosen that nobody offered")
    require("sec-websocket-extensions" not in head.headers, "an extension was chosen that nobody offered")
    await line.ask(probe.persona().full())
    require(not line.socket.fault, line.socket.fault)
