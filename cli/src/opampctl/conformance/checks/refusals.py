"""S-202 to S-208: error responses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant, untestable
from opampctl.conformance.verdict import NotApplicable, require
from opampctl.conformance.wire import delimited, number

if TYPE_CHECKING:
    from opampctl.conformance.heard import Heard
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.probe import Probe

_BAD_REQUEST = opamp.ServerErrorResponseType_BadRequest
_UNAVAILABLE = opamp.ServerErrorResponseType_Unavailable
_ALONE = frozenset({1, 2})
_ERROR = 2

untestable({"S-207": "nobody outside can make a server fail for a cause it cannot name"})


@invariant("S-202", broken="an error with other fields", unseen="no error was sent in this run")
def error_travels_alone(record: Record) -> bool | None:
    """error_response excludes everything but the uid."""
    numbers = set(record.heard.numbers)
    return None if _ERROR not in numbers else numbers <= _ALONE


@check("S-202")
async def error_of_a_first_message_is_alone(probe: Probe) -> None:
    """Even as the very first answer an error comes without capabilities."""
    line = await probe.websocket()
    answer = await line.ask(opamp.AgentToServer(instance_uid=b"short", capabilities=1))
    if not answer.refused:
        raise NotApplicable("a uid of five bytes brought no error")
    require(set(answer.numbers) <= _ALONE, f"the error has the fields {sorted(set(answer.numbers))}")


@check("S-203")
async def malformed_message_is_answered_with_an_error(probe: Probe) -> None:
    """What cannot be decoded, and a uid of a wrong length, bring error_response on both transports."""
    for what, answer in await _malformed(probe):
        require(answer is not None, f"{what}: no answer")
        if answer is not None:
            require(answer.readable, f"{what}: the answer is no message (HTTP {answer.status})")
            require(answer.refused, f"{what}: the answer has no error_response")


@check("S-204")
async def malformed_message_is_a_bad_request(probe: Probe) -> None:
    """Where there is an error, it is of type BadRequest."""
    for what, answer in await _refused(probe):
        require(answer.message.error_response.type == _BAD_REQUEST, f"{what}: the type is not BadRequest")


@check("S-205")
async def bad_request_says_why(probe: Probe) -> None:
    """Where there is an error, it has words."""
    for what, answer in await _refused(probe):
        require(answer.message.error_response.error_message, f"{what}: the error has no words")


@check("S-206")
async def bad_request_is_an_answer(probe: Probe) -> None:
    """A connection that says nothing wrong hears no BadRequest, and one fault is answered once."""
    line = await probe.websocket()
    await line.ask(probe.persona().full())
    heard = await line.silence()
    await line.ask(opamp.AgentToServer(instance_uid=b"short", capabilities=1))
    heard += await line.silence()
    require(not any(each.refused for each in heard), "a BadRequest nobody asked for")


@invariant("S-208", broken="retry_info without Unavailable", unseen="no error was sent in this run")
def retry_info_comes_with_unavailable(record: Record) -> bool | None:
    """retry_info is set only with type Unavailable."""
    if not record.heard.refused:
        return None
    error = record.heard.message.error_response
    return not error.HasField("retry_info") or error.type == _UNAVAILABLE


async def _refused(probe: Probe) -> list[tuple[str, Heard]]:
    found = [(what, answer) for what, answer in await _malformed(probe) if answer is not None and answer.refused]
    if not found:
        raise NotApplicable("no malformed message brought an error")
    return found


async def _malformed(probe: Probe) -> list[tuple[str, Heard | None]]:
    """Send malformed messages over both transports, each on a connection of its own."""
    uid = os.urandom(16)
    cases = {
        "bytes that are no protobuf": b"\xff\xff\xff\xff",
        "a message cut short": delimited(1, uid) + b"\x1a\x7f\x0a",
        "a uid of another type": number(1, 7) + number(2, 1),
        "a uid of 15 bytes": delimited(1, uid[:15]) + number(4, 1),
        "a uid of 17 bytes": delimited(1, uid + b"\x01") + number(4, 1),
        "no uid": number(2, 1) + number(4, 1),
    }
    found: list[tuple[str, Heard | None]] = []
    for what, data in cases.items():
        line = await probe.websocket()
        line.say(data)
        found.append((f"WebSocket, {what}", await line.socket.next(probe.patience.answer)))
        found.append((f"HTTP, {what}", await probe.polling().post(data)))
    return found
