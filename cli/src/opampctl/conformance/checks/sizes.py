"""S-026 to S-038: how large a message may be."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from opampctl.conformance import frames
from opampctl.conformance.catalogue import check, untestable
from opampctl.conformance.connection import Gone
from opampctl.conformance.heard import Heard
from opampctl.conformance.probe import LIMIT_BYTES, OK
from opampctl.conformance.verdict import Failed, NotApplicable, require
from opampctl.conformance.wire import delimited, varint

if TYPE_CHECKING:
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Probe, SocketLine

_PIECE = bytes(256 * 1024)
_OVER = 64 * 1024
_TOO_BIG = 1009
_TOO_LARGE = 413
_UNKNOWN_FIELD = 1000
_PACKING = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
_REFUSALS = range(400, 500)

_OWN_MESSAGES = "needs a message of the server's own that is larger than its limit"
_RECORDS = "the server's log and metrics do not show on the wire"

untestable(
    {
        "S-029": _OWN_MESSAGES,
        "S-030": _OWN_MESSAGES,
        "S-031": _RECORDS,
        "S-033": "configuration does not show on the wire",
        "S-036": _OWN_MESSAGES,
        "S-037": _OWN_MESSAGES,
        "S-038": _RECORDS,
    }
)


@check("S-026", alone=True)
async def oversized_message_is_not_taken(probe: Probe) -> None:
    """A message of more than the limit is cut off or refused; so is one that unpacks to more, if packing is known."""
    line, answer = await _send_oversized(probe, probe.persona())
    require(answer is None or answer.refused, "a message over the limit was taken")
    require(answer is not None or line.socket.ended, "a message over the limit was neither refused nor cut off")
    line = await probe.websocket(extensions=_PACKING)
    if not line.socket.packs:
        return
    size = probe.setting.limit_bytes + _OVER
    begin = _beginning(probe.persona(), size, b"\x00")
    bomb = frames.packed(begin + bytes(size - len(begin)))
    line.socket.send_raw(frames.frame(frames.BINARY, bomb, reserved=frames.PACKED), "packed message", bomb)
    answer = await line.socket.next(probe.patience.large)
    require(answer is None or answer.refused, "a message that unpacks to more than the limit was taken")
    require(answer is not None or line.socket.ended, "a message that unpacks to more than the limit went unnoticed")


@check("S-027", alone=True)
async def oversized_message_has_no_effect(probe: Probe) -> None:
    """What an oversized message says is not heard: its agent is not known afterwards."""
    agent = probe.persona()
    _, answer = await _send_oversized(probe, agent)
    require(answer is None or answer.refused, "a message over the limit was answered as if it had been read")
    try:
        view = await probe.do("show_agent", instance_uid=agent.text)
    except NotApplicable:
        return
    require(not view.get("known"), "the server knows the agent of the oversized message")


@check("S-028", alone=True)
async def oversized_message_closes_with_1009(probe: Probe) -> None:
    """The connection ends with code 1009."""
    line, _ = await _send_oversized(probe, probe.persona())
    await line.socket.ending(probe.patience.answer)
    code = line.socket.closed_with
    require(code is not None, "no Close frame came")
    require(code == _TOO_BIG, f"the code is {code}")


@check("S-032", alone=True)
async def limits_are_64_mib(probe: Probe) -> None:
    """A message of a little less than 64 MiB is taken, on both transports."""
    if probe.setting.limit_bytes != LIMIT_BYTES:
        raise NotApplicable("the server was said to have a limit of its own")
    agent = probe.persona()
    line = await probe.websocket()
    size = LIMIT_BYTES - _OVER
    await line.socket.send_large(size, _beginning(agent, size, b"\x00"), _PIECE, "binary message")
    answer = await line.socket.next(probe.patience.large)
    if answer is None:
        raise Failed(f"WebSocket, {size} bytes: {line.why_silent(probe.patience.large)}")
    require(answer.readable and not answer.refused, "a message of less than 64 MiB was refused on a WebSocket")
    answer = await _post_large(probe, size)
    require(answer.status == OK, f"a request of less than 64 MiB was answered {answer.status}")


@check("S-034", alone=True)
async def request_is_limited_in_both_forms(probe: Probe) -> None:
    """Neither a large body nor a small one that unpacks to a large one is taken."""
    for what, answer in await _oversized_requests(probe):
        require(answer.status in _REFUSALS, f"{what}: HTTP {answer.status}")


@check("S-035", alone=True)
async def oversized_request_is_413(probe: Probe) -> None:
    """Both are answered 413."""
    for what, answer in await _oversized_requests(probe):
        require(answer.status == _TOO_LARGE, f"{what}: HTTP {answer.status}")


async def _send_oversized(probe: Probe, agent: Persona) -> tuple[SocketLine, Heard | None]:
    line = await probe.websocket()
    size = probe.setting.limit_bytes + _OVER
    try:
        await line.socket.send_large(size, _beginning(agent, size, b"\x00"), _PIECE, "binary message")
    except Gone as error:
        raise Failed(str(error)) from error
    return line, await line.socket.next(probe.patience.large)


async def _oversized_requests(probe: Probe) -> list[tuple[str, Heard]]:
    size = probe.setting.limit_bytes + _OVER
    return [
        ("a large body", await _post_large(probe, size)),
        ("a gzipped body", await _post_bomb(probe, size)),
    ]


async def _post_large(probe: Probe, size: int) -> Heard:
    begin = _beginning(probe.persona(), size, b"")
    whole, rest = divmod(size - len(begin), len(_PIECE))
    poster = await probe.poster()
    headers = {"Content-Type": "application/x-protobuf", **probe.target.credentials()}
    try:
        return await poster.post([begin, *[_PIECE] * whole, _PIECE[:rest]], headers, probe.patience.large, length=size)
    except Gone as error:
        raise Failed(f"a request of {size} bytes got no answer: {error}") from error


async def _post_bomb(probe: Probe, size: int) -> Heard:
    packer = zlib.compressobj(9, wbits=31)
    begin = _beginning(probe.persona(), size, b"")
    whole, rest = divmod(size - len(begin), len(_PIECE))
    packed = packer.compress(begin) + b"".join(packer.compress(_PIECE) for _ in range(whole))
    packed += packer.compress(_PIECE[:rest]) + packer.flush()
    poster = await probe.poster()
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "gzip",
        **probe.target.credentials(),
    }
    try:
        return await poster.post(packed, headers, probe.patience.large)
    except Gone as error:
        raise Failed(f"a gzipped request of {len(packed)} bytes got no answer: {error}") from error


def _beginning(agent: Persona, size: int, header: bytes) -> bytes:
    """Write a sound report and the head of an unknown field that fills the message up to *size* bytes."""
    report = header + agent.full().SerializeToString()
    room = size - len(report)
    tag_and_length = len(varint(_UNKNOWN_FIELD << 3 | 2)) + len(varint(room))
    field = delimited(_UNKNOWN_FIELD, b"")[:-1] + varint(room - tag_and_length)
    return report + field
