"""Protobuf by hand agrees with the library, and refuses what is no message."""

from __future__ import annotations

import pytest

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.wire import (
    Field,
    WireError,
    delimited,
    fields,
    number,
    padded_zero,
    read_varint,
    values,
    varint,
)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**63, 2**64 - 1])
def test_varint_round_trips(value: int) -> None:
    """What was written reads as itself, to its last byte."""
    assert read_varint(varint(value)) == (value, len(varint(value)))


@pytest.mark.parametrize("length", range(1, 11))
def test_padded_zero_is_zero(length: int) -> None:
    """Zero may be written in one to ten bytes."""
    assert len(padded_zero(length)) == length
    assert read_varint(padded_zero(length)) == (0, length)


def test_hand_written_fields_are_the_library_s() -> None:
    """A message written by hand parses to what was meant."""
    data = delimited(1, b"u" * 16) + number(2, 300) + number(4, 1)

    assert opamp.AgentToServer.FromString(data) == opamp.AgentToServer(
        instance_uid=b"u" * 16, sequence_num=300, capabilities=1
    )
    assert fields(data)[1] == Field(2, 0, 300)


def test_repeated_fields_are_all_seen() -> None:
    """A singular field that stands twice in the bytes is seen twice, at any depth."""
    data = delimited(1, delimited(2, b"a") + delimited(2, b"b")) + delimited(1, delimited(2, b"c"))

    assert values(data, 1, 2) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("data", [b"\x0a\x05ab", b"\x0b", b"\x80", b"\xff" * 11, b"\x09\x01"])
def test_no_message_is_refused(data: bytes) -> None:
    """Bytes that end early, or have an unknown type, are no message."""
    with pytest.raises(WireError):
        fields(data)


def test_fixed_width_fields_are_skipped_whole() -> None:
    """Fields of four and eight bytes are read as they stand."""
    assert fields(b"\x0d" + bytes(4) + b"\x11" + bytes(8)) == [Field(1, 5, bytes(4)), Field(2, 1, bytes(8))]
