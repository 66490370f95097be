"""Frames against a library that knows them well, and against anything at all."""

from __future__ import annotations

from itertools import pairwise

from gatewaylab.speech import masked
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol

from opamp_gateway import frames
from opamp_gateway.errors import FrameViolation

LIMIT = 2_000

payloads = st.binary(max_size=300)
keys = st.binary(min_size=4, max_size=4)


@st.composite
def client_frames(draw: st.DrawFn) -> bytes:
    """Draw a frame of a client: mostly good, sometimes not."""
    opcode = draw(st.sampled_from([0, 0, 1, 2, 2, 2, 8, 9, 10, 3, 11]))
    payload = draw(st.one_of(payloads, st.binary(min_size=2, max_size=2), st.just((1000).to_bytes(2) + b"bye")))
    data = masked(
        opcode,
        payload,
        final=draw(st.sampled_from([True, True, False])),
        key=draw(keys),
        reserved=draw(st.sampled_from([0, 0, 0, 0, 0x10, 0x40])),
    )
    if draw(st.integers(0, 20)) == 0:
        data = data[:1] + bytes((data[1] & 0x7F,)) + data[2:]
    return data


def ours(chunks: list[bytes]) -> tuple[list[frames.Event], int]:
    """Feed chunks to our parser: events, and the close code of a violation or 0."""
    parser = frames.FrameParser(LIMIT, 100)
    events: list[frames.Event] = []
    try:
        for chunk in chunks:
            parser.feed(chunk, events)
    except FrameViolation as error:
        return events, error.code
    return events, 0


def theirs(chunks: list[bytes]) -> tuple[list[frames.Event], int]:
    """Feed chunks to the library's sans-I/O server: the same, with its fragments put together."""
    protocol = Protocol(SERVER, state=OPEN, max_size=LIMIT)
    events: list[frames.Event] = []
    opcode, parts = 0, b""
    for chunk in chunks:
        protocol.receive_data(chunk)
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (Opcode.TEXT, Opcode.BINARY):
            opcode, parts = int(event.opcode), bytes(event.data)
        elif event.opcode is Opcode.CONT:
            parts += bytes(event.data)
        else:
            events.append((int(event.opcode), bytes(event.data)))
            continue
        if event.fin:
            events.append((opcode, parts))
    return events, protocol.close_sent.code if protocol.parser_exc is not None and protocol.close_sent else 0


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at places."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(client_frames(), max_size=8), st.lists(st.integers(0, 10_000), max_size=6))
@settings(max_examples=400, deadline=None)
def test_any_stream_of_frames_reads_as_the_library_reads_it(stream: list[bytes], places: list[int]) -> None:
    """Same messages, same control frames, same verdict; however the bytes are cut."""
    data = b"".join(stream)
    mine, code = ours(cut(data, places))
    reference, reference_code = theirs([data])
    close = next((index for index, (opcode, _) in enumerate(mine) if opcode == frames.CLOSE), None)
    if close is not None:
        # After a Close nothing counts: the library stops reading, our caller stops listening. The Close itself is
        # not compared: within a fragmented message the library refuses it, and we take it (RFC 6455, section 5.4).
        mine, code, reference_code = mine[:close], 0, 0
        reference = reference[:close]

    assert mine == reference
    assert code == reference_code


@given(st.lists(st.binary(max_size=400), max_size=10))
@settings(max_examples=300, deadline=None)
def test_random_bytes_end_in_a_violation_at_worst(chunks: list[bytes]) -> None:
    """Nothing else is ever raised, and what is held is bounded."""
    ours(chunks)


@given(st.sampled_from([frames.BINARY, frames.PING, frames.PONG]), st.binary(max_size=100_000))
@settings(max_examples=50, deadline=None)
def test_written_frames_are_read_by_the_library(opcode: int, payload: bytes) -> None:
    """What we write is what the library's client reads."""
    if opcode != frames.BINARY:
        payload = payload[:125]
    client = Protocol(CLIENT, state=OPEN, max_size=None)

    client.receive_data(frames.frame(opcode, payload))

    event = client.events_received()[0]
    assert isinstance(event, Frame)
    assert (int(event.opcode), bytes(event.data)) == (opcode, payload)


@given(st.binary(max_size=140))
def test_close_bodies_are_judged_as_the_library_judges_them(payload: bytes) -> None:
    """Codes that may not be sent, cut codes, reasons that are not UTF-8."""
    try:
        frames.check_close(payload)
        good = True
    except FrameViolation:
        good = False
    try:
        Close.parse(payload)
        reference = True
    except (ProtocolError, UnicodeDecodeError):
        reference = False

    assert good == reference
