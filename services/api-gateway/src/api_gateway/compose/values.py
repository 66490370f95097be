"""Small translations every view needs: times, ids, hashes, attributes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from contracts.ids import format_uid
from contracts.labels import plain_of

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from opamp.v1 import anyvalue_pb2

_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: what datetime can say."""


def moment(stamp: Timestamp) -> datetime | None:
    """Read a timestamp; the zero value means never."""
    if not stamp.seconds and not stamp.nanos:
        return None
    return _datetime(stamp.seconds, stamp.nanos)


def moment_of_nanos(nanos: int) -> datetime | None:
    """Read Unix nanoseconds an agent sent; 0 means never, and what no calendar holds is treated alike."""
    return _datetime(*divmod(nanos, 10**9)) if nanos else None


def uid_text(uid: bytes) -> str:
    """Write an agent id; one of a wrong length shows as hex, for a view never fails over its data."""
    try:
        return format_uid(uid)
    except ValueError:
        return uid.hex()


def attributes(items: Iterable[anyvalue_pb2.KeyValue]) -> dict[str, Any]:
    """Turn attributes into plain JSON values."""
    return {item.key: plain_of(item.value) for item in items}


def _datetime(seconds: int, nanos: int) -> datetime | None:
    if not 0 <= seconds <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)
