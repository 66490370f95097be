"""RFC 6455 frames by hand."""

from __future__ import annotations

import pytest

from opampctl.conformance.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    NO_MASK,
    PING,
    Frame,
    FrameError,
    FrameReader,
    close_payload,
    frame,
    masked,
    packed,
    unmasked_frame,
    unpacked,
)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_frames_of_every_length_are_read(size: int) -> None:
    """All three spellings of the length are understood, in any pieces."""
    reader = FrameReader()
    data = unmasked_frame(BINARY, bytes(size))

    found = [each for piece in (data[:1], data[1:3], data[3:]) for each in reader.feed(piece)]

    assert found == [Frame(BINARY, bytes(size), final=True)]


def test_masking_twice_is_nothing() -> None:
    """Masked bytes differ, and masked again they are what they were."""
    assert masked(masked(b"hello!", b"abcd"), b"abcd") == b"hello!"
    assert masked(b"hello!", NO_MASK) == b"hello!"


def test_client_frame_is_masked_and_marked() -> None:
    """The mask bit, the final bit and the opcode are where they belong."""
    data = frame(CONTINUATION, b"abc", final=False, mask=b"\x01\x01\x01\x01")

    assert data == b"\x00\x83\x01\x01\x01\x01" + b"`cb"


@pytest.mark.parametrize(
    "data",
    [frame(BINARY, b"masked", mask=b"abcd"), b"\xc2\x00", b"\x09\x00", b"\x89\x7e\x00\x80" + bytes(128)],
    ids=["masked", "reserved-bit", "control-in-pieces", "control-too-long"],
)
def test_what_a_server_must_not_send_is_seen(data: bytes) -> None:
    """A mask, a reserved bit, a control frame in pieces and one too long are violations."""
    with pytest.raises(FrameError):
        FrameReader().feed(data)


def test_control_frames_come_between() -> None:
    """Several frames in one piece of data are all found."""
    data = unmasked_frame(PING, b"p") + unmasked_frame(CLOSE, close_payload(1009, "big"))

    assert [each.opcode for each in FrameReader().feed(data)] == [PING, CLOSE]


def test_packed_message_is_known_once_negotiated() -> None:
    """The bit of permessage-deflate is no violation then, and the message unpacks to what it was."""
    reader = FrameReader()
    reader.may_pack = True
    small = packed(b"a" * 1000)

    found = reader.feed(bytes((0xC2, len(small))) + small)

    assert found[0].packed
    assert unpacked(found[0].payload) == b"a" * 1000
