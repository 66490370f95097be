"""
permessage-deflate (RFC 7692) without context takeover: nothing is kept between two messages. Pure.

An agent that does not offer it pays nothing, one that does pays only while a message is handled. What a message
inflates to is bounded while it is inflated.
"""

from __future__ import annotations

import zlib
from typing import Final

from opamp_gateway.errors import FrameViolation

INVALID_DATA: Final = 1007
TOO_BIG: Final = 1009
WORTH_IT: Final = 1024
"""Answers shorter than this are not compressed: it would cost more than it saves."""

_EXTENSION: Final = "permessage-deflate"
_TAIL: Final = b"\x00\x00\xff\xff"
_BITS: Final = range(9, 16)
"""Windows zlib can write raw; one of 8 bits it cannot."""

_MOST_BITS: Final = 15
_LEVEL: Final = 1
_FLAGS: Final = frozenset({"server_no_context_takeover", "client_no_context_takeover"})
_MAX_OFFERS: Final = 8


def negotiate(offered: str) -> tuple[str, int] | None:
    """
    Choose the first offer this server can serve.

    Args:
        offered: Value of Sec-WebSocket-Extensions.

    Returns:
        The value to answer and the bits of the window this server may use, or None: no extension is agreed.
    """
    for offer in offered.split(",")[:_MAX_OFFERS]:
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() != _EXTENSION:
            continue
        bits = _bits_of(parameters)
        if bits is None:
            continue
        answer = f"{_EXTENSION}; server_no_context_takeover; client_no_context_takeover"
        return (answer, bits) if bits == _MOST_BITS else (f"{answer}; server_max_window_bits={bits}", bits)
    return None


def _bits_of(parameters: list[str]) -> int | None:
    """Read the parameters of one offer; None = it must be declined."""
    bits = _MOST_BITS
    seen: set[str] = set()
    for parameter in parameters:
        name, equals, value = (part.strip() for part in parameter.partition("="))
        name, value = name.lower(), value.strip('"')
        if name in seen:
            return None
        seen.add(name)
        if name in _FLAGS:
            if equals:
                return None
        elif name == "server_max_window_bits":
            if not value.isdecimal() or int(value) not in _BITS or value != str(int(value)):
                return None
            bits = int(value)
        elif name == "client_max_window_bits":
            if equals and (not value.isdecimal() or int(value) not in range(8, 16) or value != str(int(value))):
                return None
        else:
            return None
    return bits


def inflate(data: bytes, limit: int) -> bytes:
    """
    Unpack one message, never to more than *limit* bytes.

    Raises:
        FrameViolation: It is no deflate stream (1007), or would be larger (1009).
    """
    engine = zlib.decompressobj(wbits=-_MOST_BITS)
    try:
        plain = engine.decompress(data + _TAIL, limit + 1)
    except zlib.error as error:
        raise FrameViolation(INVALID_DATA, "the message is not readable deflate data") from error
    if len(plain) > limit:
        raise FrameViolation(TOO_BIG, f"a message may have at most {limit} bytes")
    # A final block is allowed; then nothing but the empty block that was cut off may follow it (§7.2.3.4).
    if engine.unconsumed_tail or (engine.eof and engine.unused_data not in (_TAIL, b"\x00" + _TAIL)):
        raise FrameViolation(INVALID_DATA, "something follows the deflate data")
    return plain


def deflate(data: bytes, bits: int) -> bytes:
    """Pack one message; what it needs is freed at once."""
    engine = zlib.compressobj(level=_LEVEL, wbits=-bits)
    return (engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)
