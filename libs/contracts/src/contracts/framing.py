"""
The header before every OpAMP message on a WebSocket: one unsigned varint, 0 in this version.

OpAMP specification, "WebSocket Message Format". Plain HTTP bodies have no header.
"""

from __future__ import annotations

HEADER = b"\x00"
"""What we put before every message we send."""

_MAX_VARINT_BYTES = 10
_FIRST_BYTE_OF_HEADERLESS = 0x0A
"""Tag of instance_uid (field 1, length-delimited): how a message from a pre-0.7 peer begins."""


class BadFrameError(ValueError):
    """The message has no readable header, or its header is reserved."""


def strip_header(frame: bytes, *, accept_headerless: bool = False) -> bytes:
    """
    Return the protobuf bytes of one WebSocket message.

    Args:
        frame: The whole message, header first.

        accept_headerless: Take a message that begins with the tag of instance_uid as one without
            header; a protobuf message can never begin with the zero byte, so the two cannot be mixed up.

    Raises:
        BadFrameError: Empty message, malformed varint, or a header other than 0.
    """
    if frame[:1] == HEADER:
        return frame[1:]
    if not frame:
        message = "empty WebSocket message: the header is missing"
        raise BadFrameError(message)
    if accept_headerless and frame[0] == _FIRST_BYTE_OF_HEADERLESS:
        return frame
    value = 0
    for index, byte in enumerate(frame[:_MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit of a varint
            if value == 0:
                return frame[index + 1 :]
            message = f"reserved WebSocket message header {value & 0xFFFF_FFFF_FFFF_FFFF}, expected 0"
            raise BadFrameError(message)
    message = "malformed varint in the WebSocket message header"
    raise BadFrameError(message)
