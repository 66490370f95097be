"""Custom messages to agents and what they answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Base64Bytes, Field, model_validator
from typing_extensions import TypedDict

from api_gateway.models.document import Document, view

MAX_DATA_BYTES = 256 * 1024
MAX_TIMEOUT_SECONDS = 30.0

Capability = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]
"""Name of a custom capability as the agent announced it: printable ASCII without spaces."""

MessageType = Annotated[str, Field(max_length=256)]


class NewCustomMessage(Document):
    """A custom message, and whether to wait for the answer."""

    capability: Capability
    """Name of a custom capability the agent has announced, a reversed domain name by custom."""

    type: MessageType = ""
    """What kind of message of that capability."""

    data: Annotated[Base64Bytes, Field(max_length=MAX_DATA_BYTES)] | None = None
    """Content in base64, at most 256 KiB."""

    text: Annotated[str, Field(max_length=MAX_DATA_BYTES)] | None = None
    """Content as text, sent as UTF-8; instead of data."""

    await_reply: bool = False
    """Wait for the next custom message of this capability from the agent."""

    reply_type: MessageType = ""
    """Wait for one of this type; empty = of any type."""

    timeout_seconds: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)] = 10.0
    """How long to wait."""

    @model_validator(mode="after")
    def _one_content(self) -> NewCustomMessage:
        if self.data is not None and self.text is not None:
            message = "give data or text, not both"
            raise ValueError(message)
        if len(self.content) > MAX_DATA_BYTES:
            message = f"the content may have at most {MAX_DATA_BYTES} bytes"
            raise ValueError(message)
        return self

    @property
    def content(self) -> bytes:
        """What travels."""
        return self.data if self.data is not None else (self.text or "").encode()


@view
class CustomMessage(TypedDict):
    """A custom message an agent sent."""

    capability: str
    type: str
    data: str
    """Content in base64."""

    text: str | None
    """The same as text; null when it is not UTF-8."""


@view
class CustomMessageReply(TypedDict):
    """What the agent answered."""

    reply: CustomMessage
