"""
The fast path: a message that is exactly uid, sequence_num and capabilities, byte for byte.

It is recognised without building a protobuf object and answered with the session's ready-made frame. Anything
else, however close, takes the ordinary road; so the fast path decides nothing the rules would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opamp_gateway.session import Session

_PREFIX: Final = 20
"""WebSocket header 00, tag and length of instance_uid, 16 bytes, tag of sequence_num."""

_CONTINUE: Final = 0x80
_LAST_SHIFT: Final = 63


def is_beat(session: Session, payload: bytes) -> bool:
    """
    Say whether *payload* is the next plain heartbeat of this session, and count it if so.

    Args:
        session: One that has greeted its agent.

        payload: A whole WebSocket message with its header.
    """
    if not payload.startswith(session.prefix):
        return False
    size = len(payload)
    at = _PREFIX
    if at >= size:
        return False
    byte = payload[at]
    at += 1
    number = byte
    if byte >= _CONTINUE:
        number &= 0x7F
        shift = 7
        while True:
            if at >= size or shift > _LAST_SHIFT:
                return False
            byte = payload[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < _CONTINUE:
                break
            shift += 7
    if number != session.sequence_num + 1:
        return False
    # Capabilities as last stated, or not stated at all; a change of them is news.
    if at != size and payload[at:] != session.caps_suffix:
        return False
    session.sequence_num = number
    return True
