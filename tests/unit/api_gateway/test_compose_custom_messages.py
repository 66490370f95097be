"""Custom messages between REST and OpAMP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from api_gateway.compose import custom_messages as compose
from api_gateway.models import custom_messages as views
from opamp.v1.opamp_pb2 import CustomMessage


def test_a_document_becomes_a_message() -> None:
    """Capability, type and content as they are."""
    document = views.NewCustomMessage(capability="com.example.echo", type="ask", text="hi")

    assert compose.custom_message(document) == CustomMessage(capability="com.example.echo", type="ask", data=b"hi")


@pytest.mark.parametrize(
    ("capability", "kind", "reply_type", "fits"),
    [("c", "a", "", True), ("c", "a", "a", True), ("c", "a", "b", False), ("d", "a", "", False)],
)
def test_a_reply_has_the_capability_and_the_type_asked_for(
    capability: str, kind: str, reply_type: str, *, fits: bool
) -> None:
    """Without a type, any message of the capability will do."""
    assert compose.is_reply(CustomMessage(capability=capability, type=kind), "c", reply_type) is fits


def test_an_answer_is_shown_as_base64_and_as_text_where_it_is_text(conforms: Callable[[Any, Any], None]) -> None:
    """Bytes that are no text show as none."""
    text = compose.reply_view(CustomMessage(capability="c", type="a", data=b"hi"))
    raw = compose.reply_view(CustomMessage(capability="c", type="a", data=b"\xff"))

    conforms(views.CustomMessageReply, text)
    assert (text["reply"]["data"], text["reply"]["text"]) == ("aGk=", "hi")
    assert (raw["reply"]["data"], raw["reply"]["text"]) == ("/w==", None)
