"""Protobuf by hand: just enough to write any bytes a check wants, and to see what a parser would hide."""

from __future__ import annotations

from dataclasses import dataclass

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
_MORE = 0x80
_LOW = 0x7F
_SEVEN = 7
_LONGEST = 10
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}


class WireError(ValueError):
    """These bytes are no protobuf message."""


@dataclass(frozen=True)
class Field:
    """One field as it stands in the bytes."""

    number: int
    kind: int
    """Wire type."""

    value: int | bytes
    """A number for varints, the bytes otherwise."""


def varint(value: int) -> bytes:
    """Write an unsigned number in base 128."""
    out = bytearray()
    while value > _LOW:
        out.append(value & _LOW | _MORE)
        value >>= _SEVEN
    out.append(value)
    return bytes(out)


def padded_zero(length: int) -> bytes:
    """Write zero as a varint of *length* bytes, 1 to 10: longer than needed, and legal."""
    return b"\x80" * (length - 1) + b"\x00"


def number(field: int, value: int) -> bytes:
    """Write a varint field, zero too."""
    return varint(field << 3 | VARINT) + varint(value)


def delimited(field: int, value: bytes) -> bytes:
    """Write a field of bytes, a text or a sub-message."""
    return varint(field << 3 | DELIMITED) + varint(len(value)) + value


def fields(data: bytes) -> list[Field]:
    """
    Read the fields of a message in their order, repeated ones as often as they stand there.

    Raises:
        WireError: The bytes end early, or have a wire type nobody knows.
    """
    found: list[Field] = []
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        kind = tag & 7
        value: int | bytes
        if kind == VARINT:
            value, at = read_varint(data, at)
        else:
            if kind == DELIMITED:
                length, at = read_varint(data, at)
            elif kind in _FIXED_BYTES:
                length = _FIXED_BYTES[kind]
            else:
                raise WireError(f"wire type {kind} at byte {at}")
            if at + length > len(data):
                raise WireError(f"field {tag >> 3} ends after the message")
            value, at = data[at : at + length], at + length
        found.append(Field(tag >> 3, kind, value))
    return found


def values(data: bytes, *path: int) -> list[bytes]:
    """Return every sub-message or byte value at a path of field numbers, however often it occurs."""
    found = [data]
    for step in path:
        found = [one.value for each in found for one in fields(each) if one.number == step and _is_bytes(one.value)]  # type: ignore[misc]  # filtered
    return found


def read_varint(data: bytes, at: int = 0) -> tuple[int, int]:
    """
    Read a varint; returns its value and where it ends.

    Raises:
        WireError: It does not end, or is longer than ten bytes.
    """
    value = 0
    for index in range(_LONGEST):
        if at + index >= len(data):
            raise WireError("a number ends early")
        byte = data[at + index]
        value |= (byte & _LOW) << (_SEVEN * index)
        if not byte & _MORE:
            return value, at + index + 1
    raise WireError("a number has more than ten bytes")


def _is_bytes(value: int | bytes) -> bool:
    return isinstance(value, bytes)
