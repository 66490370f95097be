"""Times, ids and attributes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose.values import attributes, moment, moment_of_nanos, uid_text
from opamp.v1 import anyvalue_pb2


def test_a_moment_that_never_was_is_null() -> None:
    """The zero timestamp stands for never; so does what no calendar holds."""
    assert moment(Timestamp()) is None
    assert moment(Timestamp(seconds=10**12)) is None
    assert moment(Timestamp(seconds=-5)) is None
    assert moment_of_nanos(0) is None
    assert moment_of_nanos(2**64 - 1) == datetime(2554, 7, 21, 23, 34, 33, 709551, UTC)


def test_a_moment_keeps_its_microseconds_and_is_utc() -> None:
    """Clients compare times across answers."""
    assert moment(Timestamp(seconds=1, nanos=1_999)) == datetime(1970, 1, 1, 0, 0, 1, 1, UTC)


@pytest.mark.parametrize(
    ("uid", "text"), [(bytes(16), "00000000-0000-0000-0000-000000000000"), (b"\x01", "01"), (b"", "")]
)
def test_an_id_is_uuid_text(uid: bytes, text: str) -> None:
    """A view never fails over an odd id."""
    assert uid_text(uid) == text


def test_attributes_keep_their_json_types() -> None:
    """Numbers stay numbers, booleans booleans, lists lists."""
    value = anyvalue_pb2.AnyValue
    items = [
        anyvalue_pb2.KeyValue(key="a", value=value(string_value="x")),
        anyvalue_pb2.KeyValue(key="b", value=value(int_value=3)),
        anyvalue_pb2.KeyValue(key="c", value=value(bool_value=True)),
        anyvalue_pb2.KeyValue(key="d"),
    ]

    assert attributes(items) == {"a": "x", "b": 3, "c": True, "d": None}
