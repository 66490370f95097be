"""RFC 6455 as the simulator's client writes and reads it; a well-kept library is the judge."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, State

from opampctl.simulate.frames import BINARY, CLOSE, FrameReader, ProtocolError, encode_frame, encode_message

MASK = b"\x01\x02\x03\x04"


def heard_by_a_server(data: bytes) -> bytes:
    """Let the websockets library read what our client sent, and join the fragments."""
    server = Protocol(SERVER, state=State.OPEN, max_size=None)
    server.receive_data(data)
    frames = [event for event in server.events_received() if isinstance(event, Frame)]
    assert frames[0].opcode is Opcode.BINARY
    assert all(frame.opcode is Opcode.CONT for frame in frames[1:])
    assert [frame.fin for frame in frames] == [False] * (len(frames) - 1) + [True]
    return b"".join(bytes(frame.data) for frame in frames)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 4095, 4096, 4097, 8192, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("fragment", [0, 4096])
def test_messages_are_read_by_another_library(length: int, fragment: int) -> None:
    """Every length, in one frame or in several, arrives as it was."""
    payload = bytes(index % 251 for index in range(length))
    assert heard_by_a_server(encode_message(payload, lambda: MASK, fragment)) == payload


def test_large_messages_are_cut_as_real_agents_cut_them() -> None:
    """No frame holds more than 4,096 bytes."""
    data = encode_message(b"x" * 10_000, lambda: MASK)
    assert len(data) == 10_000 + 3 * (4 + 4)


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    st.lists(st.integers(min_value=1, max_value=400), max_size=20),
    st.booleans(),
)
def test_any_cut_of_the_stream_gives_the_same_messages(
    messages: list[bytes], cuts: list[int], fragmented: bool
) -> None:
    """However TCP slices the bytes of a server, the same messages and control frames come out."""
    server = Protocol(SERVER, state=State.OPEN)
    expected: list[tuple[int, bytes]] = []
    for message in messages:
        if fragmented:
            middle = len(message) // 2
            server.send_binary(message[:middle], fin=False)
            server.send_ping(b"between")
            expected.append((9, b"between"))
            server.send_continuation(message[middle:], fin=True)
        else:
            server.send_binary(message)
        expected.append((BINARY, message))
    data = b"".join(server.data_to_send())
    reader, found, position = FrameReader(), [], 0
    for cut in cuts:
        found += reader.feed(data[position : position + cut])
        position += cut
    found += reader.feed(data[position:])
    assert found == expected


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x82\x80" + MASK, 1002),  # masked
        (b"\xc2\x00", 1002),  # RSV1
        (b"\x81\x01a", 1003),  # text
        (b"\x80\x01a", 1002),  # continuation of nothing
        (b"\x02\x01a\x82\x01b", 1002),  # a new message inside another
        (b"\x09\x00", 1002),  # fragmented ping
        (b"\x89\x7e\x00\x7e" + b"x" * 126, 1002),  # long ping
        (b"\x8b\x00", 1002),  # unknown control opcode
        (b"\x82\x7f" + struct.pack("!Q", 1 << 40), 1009),  # too large
    ],
)
def test_broken_servers_are_refused(data: bytes, code: int) -> None:
    """Each breach of the protocol names its close code."""
    with pytest.raises(ProtocolError) as caught:
        FrameReader().feed(data)
    assert caught.value.close_code == code


def test_fragments_count_together_against_the_limit() -> None:
    """A message may not grow over the limit piece by piece."""
    reader = FrameReader(limit=10)
    assert reader.feed(b"\x02\x06aaaaaa") == []
    with pytest.raises(ProtocolError) as caught:
        reader.feed(b"\x80\x06bbbbbb")
    assert caught.value.close_code == 1009


def test_close_frame_is_read_by_another_library() -> None:
    """A Close frame carries its code."""
    server = Protocol(SERVER, state=State.OPEN)
    server.receive_data(encode_frame(CLOSE, (1000).to_bytes(2), MASK))
    assert server.close_rcvd is not None
    assert server.close_rcvd.code == 1000
    assert Protocol(CLIENT).side is CLIENT
