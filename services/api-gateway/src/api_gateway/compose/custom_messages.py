"""Custom messages between REST and OpAMP."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2

if TYPE_CHECKING:
    from api_gateway.models import custom_messages as views


def custom_message(document: views.NewCustomMessage) -> opamp_pb2.CustomMessage:
    """Write the message an agent shall get."""
    return opamp_pb2.CustomMessage(capability=document.capability, type=document.type, data=document.content)


def is_reply(message: opamp_pb2.CustomMessage, capability: str, reply_type: str) -> bool:
    """Say whether *message* is what a call waits for; an empty *reply_type* takes any."""
    return message.capability == capability and reply_type in {"", message.type}


def reply_view(message: opamp_pb2.CustomMessage) -> views.CustomMessageReply:
    """Compose what the agent answered."""
    try:
        text: str | None = message.data.decode()
    except UnicodeDecodeError:
        text = None
    return {
        "reply": {
            "capability": message.capability,
            "type": message.type,
            "data": base64.b64encode(message.data).decode(),
            "text": text,
        }
    }
