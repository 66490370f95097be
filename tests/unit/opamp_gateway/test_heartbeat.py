"""The fast path takes exactly what the ordinary road would answer with a bare acknowledgement."""

from __future__ import annotations

import pytest
from gatewaylab.fakes import RULES
from gatewaylab.speech import CAPABILITIES, OTHER, UID, full, message

from opamp_gateway.heartbeat import is_beat
from opamp_gateway.session import WEBSOCKET, Session


def greeted(sequence_num: int = 0) -> Session:
    """Begin a session whose last message had that number."""
    session = Session(RULES, "default", UID, WEBSOCKET)
    session.receive(full(sequence_num=sequence_num), 1.0, 1)
    return session


def beat(sequence_num: int, capabilities: int = CAPABILITIES, uid: bytes = UID) -> bytes:
    """Write a heartbeat with its header."""
    return b"\x00" + message(uid, sequence_num, capabilities).SerializeToString()


@pytest.mark.parametrize("last", [0, 1, 126, 127, 128, 16_382, 16_383, 2**31, 2**64 - 2])
def test_next_heartbeat_is_taken_and_counted(last: int) -> None:
    """Every length of the counter is understood."""
    session = greeted(last)

    assert is_beat(session, beat(last + 1))
    assert session.sequence_num == last + 1
    assert not is_beat(session, beat(last + 1))


def test_unstated_capabilities_are_taken() -> None:
    """A heartbeat may leave them out."""
    assert is_beat(greeted(), beat(1, capabilities=0))


@pytest.mark.parametrize(
    "payload",
    [
        beat(2),
        beat(1, capabilities=1),
        beat(1, uid=OTHER),
        beat(1)[:-1],
        beat(1) + b"\x52\x00",
        beat(1)[:20],
        beat(1)[:19],
        b"\x01" + beat(1)[1:],
        b"\x00" + full(sequence_num=1).SerializeToString(),
        beat(1)[:20] + b"\x80" * 12,
        beat(1)[:20] + b"\x81",
        b"",
    ],
)
def test_anything_else_takes_the_ordinary_road(payload: bytes) -> None:
    """Gaps, news, other agents, and whatever is cut or malformed."""
    session = greeted()

    assert not is_beat(session, payload)
    assert session.sequence_num == 0
