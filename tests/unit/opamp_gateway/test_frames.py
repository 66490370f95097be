"""RFC 6455 frames as a server must treat them."""

from __future__ import annotations

import pytest
from gatewaylab.speech import masked

from opamp_gateway import frames
from opamp_gateway.errors import FrameViolation


def parse(*chunks: bytes, max_message: int = 1000, max_frames: int = 5) -> list[frames.Event]:
    """Feed chunks to a fresh parser."""
    parser = frames.FrameParser(max_message, max_frames)
    events: list[frames.Event] = []
    for chunk in chunks:
        parser.feed(chunk, events)
    return events


def violation(*chunks: bytes, max_message: int = 1000, max_frames: int = 5) -> int:
    """Feed chunks that break the protocol; return the close code."""
    with pytest.raises(FrameViolation) as caught:
        parse(*chunks, max_message=max_message, max_frames=max_frames)
    return caught.value.code


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 999, 1000])
def test_whole_frame_becomes_a_message(size: int) -> None:
    """Each form of length is understood, and the payload is unmasked."""
    assert parse(masked(2, b"a" * size)) == [(frames.BINARY, b"a" * size)]


def test_long_length_form_is_understood() -> None:
    """A payload past 65,535 bytes has eight bytes of length."""
    payload = bytes(range(256)) * 300

    assert parse(masked(2, payload), max_message=100_000) == [(frames.BINARY, payload)]


def test_frame_may_come_byte_by_byte() -> None:
    """Nothing is lost however the bytes are cut."""
    data = masked(2, b"hello" * 40) + masked(9, b"?")

    assert parse(*(bytes((byte,)) for byte in data)) == [(frames.BINARY, b"hello" * 40), (frames.PING, b"?")]


def test_fragments_are_joined_with_control_frames_between() -> None:
    """A ping may stand inside a fragmented message and is told at once."""
    events = parse(
        masked(2, b"one ", final=False), masked(9, b"p"), masked(0, b"two ", final=False), masked(0, b"three")
    )

    assert events == [(frames.PING, b"p"), (frames.BINARY, b"one two three")]


def test_empty_final_continuation_ends_a_message() -> None:
    """The opamp-go server ends long messages this way; agents may as well."""
    assert parse(masked(2, b"all", final=False), masked(0, b"")) == [(frames.BINARY, b"all")]


def test_parser_is_idle_between_messages_only() -> None:
    """A parser may be dropped when nothing is half received."""
    parser = frames.FrameParser(1000, 5)
    events: list[frames.Event] = []

    parser.feed(masked(2, b"x", final=False), events)
    idle = [parser.idle]
    parser.feed(masked(0, b"y") + b"\x82", events)
    idle.append(parser.idle)
    parser.feed(masked(2, b"z")[1:], events)
    idle.append(parser.idle)
    assert idle == [False, False, True]
    assert [payload for _, payload in events] == [b"xy", b"z"]


@pytest.mark.parametrize("reserved", [0x40, 0x20, 0x10])
def test_reserved_bits_are_refused(reserved: int) -> None:
    """No extension was agreed, so no reserved bit may be set."""
    assert violation(masked(2, b"x", reserved=reserved)) == frames.PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_unknown_opcodes_are_refused(opcode: int) -> None:
    """Opcodes nobody defined end the connection."""
    assert violation(masked(opcode, b"x")) == frames.PROTOCOL_ERROR


def test_unmasked_frame_is_refused() -> None:
    """A client must mask."""
    assert violation(b"\x82\x01x") == frames.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "data",
    [
        masked(0, b"x"),
        masked(2, b"x", final=False) + masked(2, b"y"),
        masked(9, b"x", final=False),
        masked(9, b"x" * 126),
        masked(8, b"\x03"),
        masked(8, (1005).to_bytes(2)),
        masked(8, (999).to_bytes(2)),
    ],
)
def test_broken_sequences_are_refused(data: bytes) -> None:
    """Stray continuations, interrupted messages, long or cut control frames, bad close bodies."""
    assert violation(data) == frames.PROTOCOL_ERROR


def test_close_reason_that_is_no_text_is_refused() -> None:
    """It has a code of its own."""
    assert violation(masked(8, (1000).to_bytes(2) + b"\xff")) == frames.INVALID_DATA


def test_too_long_a_frame_is_refused_before_it_is_read() -> None:
    """The length alone is enough: nothing is buffered for a frame that is too long."""
    assert violation(masked(2, b"x" * 1001)[:4]) == frames.TOO_BIG
    assert violation(b"\x82\xff" + (2**63).to_bytes(8)) == frames.TOO_BIG


def test_fragments_together_may_not_be_too_long() -> None:
    """The limit is the message's, not the frame's."""
    assert violation(masked(2, b"x" * 600, final=False), masked(0, b"x" * 401)) == frames.TOO_BIG


def test_too_many_fragments_are_refused() -> None:
    """A message in countless tiny frames is an attack."""
    chunks = [masked(2, b"x", final=False)] + [masked(0, b"x", final=False)] * 4

    assert violation(*chunks) == frames.POLICY


def test_what_was_complete_before_a_violation_is_told() -> None:
    """A good message is not lost because a bad frame follows it."""
    parser = frames.FrameParser(1000, 5)
    events: list[frames.Event] = []

    with pytest.raises(FrameViolation):
        parser.feed(masked(2, b"good") + masked(3, b"bad"), events)

    assert events == [(frames.BINARY, b"good")]


@pytest.mark.parametrize("payload", [b"", (1000).to_bytes(2), (1001).to_bytes(2) + b"bye", (4999).to_bytes(2)])
def test_close_frames_are_told(payload: bytes) -> None:
    """A proper Close arrives with its body."""
    assert parse(masked(8, payload)) == [(frames.CLOSE, payload)]


@pytest.mark.parametrize(
    ("size", "start"), [(0, b"\x82\x00"), (125, b"\x82\x7d"), (126, b"\x82\x7e\x00\x7e"), (65_535, b"\x82\x7e\xff\xff")]
)
def test_frames_are_written_in_the_shortest_form(size: int, start: bytes) -> None:
    """A server's frame is unmasked and its length minimal."""
    written = frames.frame(frames.BINARY, b"x" * size)

    assert written == start + b"x" * size


def test_long_frames_are_written_with_eight_bytes_of_length() -> None:
    """Past 65,535 bytes."""
    assert frames.head(frames.BINARY, 65_536) == b"\x82\x7f" + (65_536).to_bytes(8)


def test_close_reason_is_cut_to_what_fits() -> None:
    """A control frame holds 125 bytes; a cut never leaves half a character."""
    written = frames.close_frame(frames.NORMAL, "é" * 100)

    assert written[1] <= 125
    assert written[2:4] == (1000).to_bytes(2)
    assert set(written[4:].decode()) == {"é"}
