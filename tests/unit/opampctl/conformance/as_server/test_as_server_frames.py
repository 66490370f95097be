"""Frames of clients are read strictly."""

from __future__ import annotations

import pytest

from opampctl.conformance import frames
from opampctl.conformance.as_server.frames import ClientFrameReader


@pytest.mark.parametrize("size", [0, 5, 126, 70_000])
def test_masked_frames_are_unmasked(size: int) -> None:
    """However the bytes come, the payload is as it was sent."""
    raw = frames.frame(frames.BINARY, b"x" * size)
    reader = ClientFrameReader()

    found = reader.feed(raw[:3]) + reader.feed(raw[3:])

    assert [(each.opcode, each.payload, each.final) for each in found] == [(frames.BINARY, b"x" * size, True)]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (frames.unmasked_frame(frames.BINARY, b"x"), "must mask"),
        (frames.frame(frames.BINARY, b"x", reserved=0x40), "reserved bit"),
        (frames.frame(frames.PING, b"x" * 126), "too long"),
        (frames.frame(frames.CLOSE, b"", final=False), "in pieces"),
    ],
    ids=["unmasked", "reserved", "long-ping", "close-in-pieces"],
)
def test_what_clients_must_not_send_is_seen(raw: bytes, said: str) -> None:
    """RFC 6455 leaves no choice here."""
    with pytest.raises(frames.FrameError, match=said):
        ClientFrameReader().feed(raw)
