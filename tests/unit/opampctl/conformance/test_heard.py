"""A message of a server, as it came and as it reads."""

from __future__ import annotations

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.heard import Heard, Transport

ANSWER = opamp.ServerToAgent(instance_uid=b"u" * 16, capabilities=3).SerializeToString()


def test_websocket_message_has_a_header() -> None:
    """The header is taken off, however it is spelled."""
    for header in (b"\x00", b"\x80\x00"):
        heard = Heard(Transport.WEBSOCKET, header + ANSWER)
        assert heard.readable
        assert heard.message.capabilities == 3
        assert heard.numbers == [1, 7]


def test_http_message_has_none() -> None:
    """The body is the message."""
    assert Heard(Transport.HTTP, ANSWER).message.instance_uid == b"u" * 16


def test_other_header_is_unreadable() -> None:
    """A message behind another header than zero, or without one, does not read."""
    assert not Heard(Transport.WEBSOCKET, b"\x01" + ANSWER).readable
    assert not Heard(Transport.WEBSOCKET, ANSWER).readable
    assert not Heard(Transport.WEBSOCKET, b"\x80").data


def test_garbage_has_no_fields() -> None:
    """What is no protobuf has no field numbers and is no refusal."""
    heard = Heard(Transport.HTTP, b"\xff\xff")

    assert (heard.readable, heard.numbers, heard.refused) == (False, [], False)


def test_error_is_a_refusal() -> None:
    """An error response is one even when it is empty."""
    answer = opamp.ServerToAgent()
    answer.error_response.SetInParent()

    assert Heard(Transport.HTTP, answer.SerializeToString()).refused
