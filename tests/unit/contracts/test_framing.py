"""The header before every WebSocket message; the protocol's own cases are in tests/contract."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.framing import HEADER, BadFrameError, strip_header


@given(st.binary(max_size=200))
def test_what_we_frame_we_can_read(data: bytes) -> None:
    """A header of ours never changes the message behind it."""
    assert strip_header(HEADER + data) == data


@given(st.binary(max_size=40), st.booleans())
def test_random_bytes_are_read_or_refused(frame: bytes, accept_headerless: bool) -> None:
    """No input raises anything but BadFrameError."""
    try:
        data = strip_header(frame, accept_headerless=accept_headerless)
    except BadFrameError:
        return

    assert frame.endswith(data)


def test_headerless_message_is_refused_by_default() -> None:
    """Without permission, the tag of instance_uid reads as the reserved header 10."""
    with pytest.raises(BadFrameError, match="header 10"):
        strip_header(b"\x0a\x10")
