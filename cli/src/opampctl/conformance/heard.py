"""One message of a server, as it came and as it reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from google.protobuf.message import DecodeError

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.wire import WireError, fields, read_varint


class Transport(StrEnum):
    """How a message travelled."""

    WEBSOCKET = "websocket"
    HTTP = "http"


@dataclass(frozen=True)
class Heard:
    """A ServerToAgent, or what came in its place."""

    transport: Transport
    raw: bytes
    """The whole WebSocket message, or the whole response body as it was after unpacking."""

    text: bool = False
    """It came as a text message."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    """Of an HTTP response, names in lower case."""

    packed: bytes = b""
    """The response body before unpacking."""

    @property
    def header(self) -> int | None:
        """Value of the header before the message; 0 on HTTP, which has none; None when it is unreadable."""
        if self.transport is Transport.HTTP:
            return 0
        try:
            return read_varint(self.raw)[0]
        except WireError:
            return None

    @property
    def data(self) -> bytes:
        """The protobuf bytes."""
        if self.transport is Transport.HTTP:
            return self.raw
        try:
            return self.raw[read_varint(self.raw)[1] :]
        except WireError:
            return b""

    @property
    def message(self) -> opamp.ServerToAgent:
        """
        The message.

        Raises:
            DecodeError: It is none; `readable` asks first.
        """
        return opamp.ServerToAgent.FromString(self.data)

    @property
    def readable(self) -> bool:
        """Whether it is a ServerToAgent behind a zero header."""
        try:
            opamp.ServerToAgent.FromString(self.data)
        except DecodeError:
            return False
        return self.header == 0

    @property
    def numbers(self) -> list[int]:
        """Field numbers in the order of the bytes, repeated ones repeatedly."""
        try:
            return [each.number for each in fields(self.data)]
        except WireError:
            return []

    @property
    def refused(self) -> bool:
        """Whether it is an error response."""
        return self.readable and self.message.HasField("error_response")
