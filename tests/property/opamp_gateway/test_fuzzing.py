"""A taste of the fuzzers of tests/fuzz, always from the same seeds, and both doors under anything at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import cast

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.fuzzing import DoorFuzzer, SessionFuzzer, Speaker
from gatewaylab.speech import UID, answer
from gatewaylab.transport import FakeTransport
from hypothesis import given, settings
from hypothesis import strategies as st

from opamp_gateway.bodies import TooLarge, inflate
from opamp_gateway.certificates import BadCertificate, der_of
from opamp_gateway.credentials import token_of
from opamp_gateway.deflate import negotiate
from opamp_gateway.door import Door
from opamp_gateway.errors import BadMessage
from opamp_gateway.polling import Polling, Sender
from opamp_gateway.websocket import WebSocket

HEAD = (
    b"GET /v1/opamp HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_session_machine_answers_whatever_is_said(seed: int) -> None:
    """See tests/fuzz/test_session_machine.py."""
    fuzzer = SessionFuzzer(seed)
    fuzzer.run(2_000)

    assert fuzzer.told > 200


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_sockets_survive_whatever_is_written(seed: int) -> None:
    """See tests/fuzz/test_door.py."""
    fuzzer = DoorFuzzer(seed)
    await fuzzer.run(1_000)

    assert fuzzer.frames >= 1_000


class PlainHttp(asyncio.Protocol):
    """Whoever a plain request is handed to."""

    def __init__(self) -> None:
        self.heard = b""

    def data_received(self, data: bytes) -> None:
        """Remember."""
        self.heard += data


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Draw a request head: a sound upgrade with odd headers, or anything."""
    header = st.tuples(st.binary(max_size=20), st.binary(max_size=40)).map(lambda pair: b": ".join(pair) + b"\r\n")
    names = st.sampled_from(
        [
            b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=",
            b"OpAMP-Instance-UID: ",
            b"Authorization: Basic ",
            b"X-Forwarded-For: ",
            b"Content-Length: ",
            b"Host: ",
        ]
    )
    odd = st.builds(lambda name, value: name + value + b"\r\n", names, st.binary(max_size=12))
    extra = b"".join(draw(st.lists(st.one_of(header, odd), max_size=4)))
    head = draw(st.sampled_from([HEAD, HEAD, b"POST /v1/opamp HTTP/1.1\r\n", b""])) + extra + b"\r\n"
    return draw(st.one_of(st.just(head), st.binary(max_size=200).map(lambda data: data + b"\r\n\r\n")))


@given(heads(), st.lists(st.integers(0, 400), max_size=3))
@settings(max_examples=200, deadline=None)
async def test_door_decides_about_any_head(head: bytes, places: list[int]) -> None:
    """However it is cut: upgraded, refused and closed, handed on, or waited for."""
    lab = Lab()
    transport = FakeTransport()
    door = Door(lab.gateway, cast("Callable[[], asyncio.Protocol]", PlainHttp))
    transport.set_protocol(cast("asyncio.BaseProtocol", door))
    door.connection_made(transport)
    edges = sorted({0, len(head), *(place for place in places if place < len(head))})
    for start, end in pairwise(edges):
        if transport.closed:
            break
        protocol = cast("asyncio.Protocol", transport.get_protocol())
        protocol.data_received(head[start:end])

    protocol = cast("asyncio.Protocol", transport.get_protocol())
    if isinstance(protocol, WebSocket):
        assert transport.written.startswith(b"HTTP/1.1 101 ")
    elif isinstance(protocol, Door):
        assert transport.closed == transport.written.startswith(b"HTTP/1.1 ")
    protocol.connection_lost(None)
    assert not lab.gateway.doors
    assert not lab.gateway.sockets


@given(st.integers(0, 2**32), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
async def test_polls_are_answered_whatever_they_say(seed: int, count: int) -> None:
    """200 with a ServerToAgent for its sender, or told to come back later; never an exception."""
    lab = Lab()
    polling = Polling(lab.gateway)
    speaker = Speaker(seed)
    for _ in range(count):
        body = speaker.data()
        response = await polling._answer(body, Sender({}, "192.0.2.1:1", None, 0), None)
        assert response.status in {200, 429, 503}
        data = response.body
        assert isinstance(data, bytes)
        answer(data)
    lab.number()
    holder = lab.gateway.connections.get("default", UID)
    if holder is not None:
        holder.end("connection closed")


@given(st.binary(max_size=300), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_bodies_unpack_within_the_limit_or_are_refused(data: bytes, limit: int) -> None:
    """Nothing else is ever raised."""
    try:
        assert len(inflate(data, limit)) <= limit
    except (BadMessage, TooLarge):
        return


@given(st.text(max_size=120))
@settings(max_examples=300, deadline=None)
def test_header_values_of_any_text_are_read_or_refused(text: str) -> None:
    """Extensions, tokens, forwarded certificates."""
    agreed = negotiate(text)
    assert agreed is None or agreed[1] in range(9, 16)
    token_of({"authorization": text, "secret-key": text})
    try:
        der_of(text)
    except BadCertificate:
        return
