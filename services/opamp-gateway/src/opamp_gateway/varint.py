"""Unsigned varints and length-delimited fields, written by hand where a protobuf object would cost too much."""

from __future__ import annotations

_CONTINUE = 0x80
_LOW = 0x7F
_TWO_BYTES = 1 << 14
_SMALL_TAGS = 16


def encode(value: int) -> bytes:
    """Write *value* (0 … 2^64-1) as a varint."""
    if value < _CONTINUE:
        return _SMALL[value]
    if value < _TWO_BYTES:
        return bytes((value & _LOW | _CONTINUE, value >> 7))
    out = bytearray()
    while value >= _CONTINUE:
        out.append(value & _LOW | _CONTINUE)
        value >>= 7
    out.append(value)
    return bytes(out)


def delimited(tag: int, body: bytes) -> bytes:
    """Write field number *tag* holding *body* as a length-delimited field."""
    size = len(body)
    if tag < _SMALL_TAGS and size < _CONTINUE:
        return _SMALL[tag << 3 | 2] + _SMALL[size] + body
    return b"".join((encode(tag << 3 | 2), encode(size), body))


def number(tag: int, value: int) -> bytes:
    """Write field number *tag* holding *value* as a varint field; zero is written as nothing."""
    return encode(tag << 3) + encode(value) if value else b""


_SMALL = tuple(bytes((value,)) for value in range(_CONTINUE))
