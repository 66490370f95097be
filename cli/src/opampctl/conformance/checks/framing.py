"""S-008 to S-016: headers, messages and both directions of a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opampctl.conformance import frames
from opampctl.conformance.catalogue import check, invariant
from opampctl.conformance.checks.acting import configure
from opampctl.conformance.heard import Heard, Transport
from opampctl.conformance.persona import ACCEPTS_CONFIG
from opampctl.conformance.verdict import Failed, require
from opampctl.conformance.wire import delimited, number, padded_zero, varint

if TYPE_CHECKING:
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.probe import Probe

_LONGEST_HEADER = 10
_LARGEST = 2**64 - 1
_IN_A_ROW = 6


@invariant("S-008", broken="a text message")
def websocket_messages_are_binary(record: Record) -> bool | None:
    """No message on a WebSocket is text."""
    return None if _is_post(record.heard) else not record.heard.text


@invariant("S-009", broken="not one message behind one header")
def one_message_behind_one_header(record: Record) -> bool | None:
    """What follows the header is one ServerToAgent: it reads, and names its agent once at most."""
    if _is_post(record.heard):
        return None
    return record.heard.readable and record.heard.numbers.count(1) <= 1


@invariant("S-010", broken="the first byte of a WebSocket message is not 00")
def header_is_a_zero_byte(record: Record) -> bool | None:
    """Each message on a WebSocket begins with 00."""
    return None if _is_post(record.heard) else record.heard.raw[:1] == b"\x00"


@check("S-011")
async def other_headers_are_refused(probe: Probe) -> None:
    """A sound message behind a header that is not zero is not taken."""
    for header in (varint(1), varint(_LARGEST)):
        agent = probe.persona()
        line = await probe.websocket()
        line.say(agent.full(), header=header)
        answer = await line.socket.next(probe.patience.answer)
        taken = answer is not None and answer.readable and not answer.refused
        require(not taken, f"a message behind the header {header.hex()} was taken")


@check("S-012")
async def header_is_a_varint(probe: Probe) -> None:
    """Zero may be written in 2 to 10 bytes."""
    for length in (2, 5, _LONGEST_HEADER):
        agent = probe.persona()
        line = await probe.websocket()
        line.say(agent.full(), header=padded_zero(length))
        _taken(await line.hear(), agent.uid, f"a header of {length} bytes")


@check("S-013")
async def message_is_all_that_follows(probe: Probe) -> None:
    """With the uid as the last field, its last byte comes back: whatever the length of header and frames."""
    for length, cut in ((1, 0), (1, 7), (3, 0), (_LONGEST_HEADER, 3)):
        agent = probe.persona()
        line = await probe.websocket()
        message = number(2, 0) + number(4, agent.capabilities) + delimited(1, agent.uid)
        payload = padded_zero(length) + message
        if cut:
            line.socket.send_raw(frames.frame(frames.BINARY, payload[:cut], final=False), "first frame")
            line.socket.send_raw(frames.frame(frames.PING, b"between"), "ping")
            line.socket.send_raw(frames.frame(frames.CONTINUATION, payload[cut:]), "last frame")
        else:
            line.say(message, header=padded_zero(length))
        answer = await line.socket.next(probe.patience.answer)
        if length > 1 and (answer is None or not answer.readable or answer.refused):
            return  # longer headers are not understood at all, which is for another row to say
        if answer is None:
            raise Failed(line.why_silent(probe.patience.answer))
        _taken(answer, agent.uid, f"a header of {length} bytes")


@check("S-014")
async def header_alone_is_no_framing_error(probe: Probe) -> None:
    """The one byte 00 may be refused for its missing uid, and the connection goes on."""
    line = await probe.websocket()
    line.say(b"")
    answer = await line.hear()
    require(answer.readable, "the answer is no message")
    agent = probe.persona()
    _taken(await line.ask(agent.full()), agent.uid, "the message after it")


@check("S-015")
async def server_speaks_first(probe: Probe) -> None:
    """A config set while the agent is silent reaches it without a report."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(agent.full())
    await configure(probe, agent, "pushed: 1\n")
    heard = await line.hear(probe.patience.effect)
    require(heard.readable and heard.message.HasField("remote_config"), "what came unasked is not the config")


@check("S-016")
async def reports_in_a_row_are_all_answered(probe: Probe) -> None:
    """Several reports sent without waiting are all answered, in one burst of bytes."""
    agent = probe.persona()
    line = await probe.websocket()
    burst = [agent.full(), *(agent.message() for _ in range(_IN_A_ROW - 1))]
    for message in burst:
        line.say(message)
    for each in range(_IN_A_ROW):
        _taken(await line.hear(), agent.uid, f"report {each + 1} of {_IN_A_ROW}")


def _taken(answer: Heard, uid: bytes, what: str) -> None:
    require(answer.readable, f"{what}: the answer is no message")
    require(not answer.refused, f"{what}: refused: {answer.message.error_response.error_message}")
    require(answer.message.instance_uid == uid, f"{what}: the answer names another agent")


def _is_post(heard: Heard) -> bool:
    return heard.transport is Transport.HTTP
