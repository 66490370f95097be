"""Hand-written protobuf pieces read the same as the library's."""

from __future__ import annotations

import pytest

from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import varint


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 16_383, 16_384, 2**32, 2**64 - 1])
def test_varint_is_the_librarys(value: int) -> None:
    """Every length of varint comes out as protobuf writes it."""
    written = opamp.AgentToServer(sequence_num=value).SerializeToString()

    assert varint.encode(value) == (written[1:] or b"\x00")


def test_delimited_is_a_field() -> None:
    """A length-delimited field is read back under its number."""
    assert opamp.ServerToAgent.FromString(varint.delimited(1, b"x" * 200)).instance_uid == b"x" * 200


def test_number_leaves_zero_out() -> None:
    """Zero is the default and is written as nothing; anything else is read back."""
    assert varint.number(7, 0) == b""
    assert opamp.ServerToAgent.FromString(varint.number(7, 300)).capabilities == 300
