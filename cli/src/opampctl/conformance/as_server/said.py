"""What an agent said and did, as it came: messages, attempts to connect, connections, downloads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.heard import Transport
from opampctl.conformance.wire import WireError, fields, read_varint

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS_PARTS = (
    "agent_description",
    "health",
    "effective_config",
    "remote_config_status",
    "package_statuses",
    "custom_capabilities",
    "available_components",
    "connection_settings_status",
)
"""Members that tell a state and may be left out while it stays."""

OTHER_PARTS = ("agent_disconnect", "connection_settings_request", "custom_message")


@dataclass(frozen=True)
class Said:
    """One AgentToServer, or what came in its place."""

    index: int
    """Place in the log."""

    life: int
    """Which process of the agent said it, from 1."""

    line: int
    """Which WebSocket carried it; 0 over HTTP."""

    transport: Transport
    at: float
    """Seconds of the loop's clock."""

    raw: bytes
    """The WebSocket message, or the request body as it was after unpacking."""

    text: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the request, names in lower case."""

    packed: bytes = b""
    """The request body before unpacking."""

    first: bool = False
    """The first message of its WebSocket, or over HTTP of its life."""

    excused: bool = False
    """It may repeat what was said: the server asked for everything, or gave it reason to think it was not heard."""

    overlapped: bool = False
    """It was sent while another request was unanswered."""

    refused: bool = False
    """It was answered by an HTTP error before anybody read it."""

    given_uid: bytes = b""
    """The uid the server had given it last; empty = none."""

    taken: int = -1
    """Capabilities the server had stated by then; -1 = none yet."""

    announced: frozenset[str] = frozenset()
    """Custom capabilities the server had announced by then."""

    @cached_property
    def header(self) -> int | None:
        """Value of the header; 0 over HTTP, which has none; None when it is unreadable."""
        if self.transport is Transport.HTTP:
            return 0
        try:
            return read_varint(self.raw)[0]
        except WireError:
            return None

    @cached_property
    def data(self) -> bytes:
        """The protobuf bytes."""
        if self.transport is Transport.HTTP:
            return self.raw
        try:
            return self.raw[read_varint(self.raw)[1] :]
        except WireError:
            return b""

    @cached_property
    def message(self) -> opamp.AgentToServer:
        """The message; an empty one if it is unreadable."""
        try:
            return opamp.AgentToServer.FromString(self.data)
        except DecodeError:
            return opamp.AgentToServer()

    @cached_property
    def readable(self) -> bool:
        """Whether it is an AgentToServer behind a zero header."""
        try:
            opamp.AgentToServer.FromString(self.data)
        except DecodeError:
            return False
        return self.header == 0

    @cached_property
    def numbers(self) -> list[int]:
        """Field numbers in the order of the bytes."""
        try:
            return [each.number for each in fields(self.data)]
        except WireError:
            return []

    @cached_property
    def parts(self) -> frozenset[str]:
        """Sub-messages that are present."""
        return frozenset(name for name in (*STATUS_PARTS, *OTHER_PARTS) if self.message.HasField(name))

    @property
    def bare(self) -> bool:
        """Whether it says nothing but who sends it."""
        return not self.parts


@dataclass(frozen=True)
class Knock:
    """One attempt to speak: an upgrade or a request."""

    at: float
    life: int
    transport: Transport
    method: str
    path: str
    headers: Mapping[str, str]
    status: int
    """How it was answered."""

    certificate: bytes = b""
    """Client certificate, DER; empty = none."""


@dataclass
class Meeting:
    """One WebSocket of the agent, from upgrade to end."""

    number: int
    life: int
    knock: Knock
    began: float
    ended: float = math.inf
    close_code: int | None = None
    """Of the agent's Close frame; 0 when it had none; None when there was no Close frame."""

    ended_by_us: bool = False
    fault: str = ""
    """How the agent broke RFC 6455; empty when it did not."""

    beside: int = 0
    """Other WebSockets that were open when this one began."""

    @property
    def open(self) -> bool:
        """Whether it still stands."""
        return self.ended == math.inf


@dataclass(frozen=True)
class Fetch:
    """One download."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Telemetry:
    """One OTLP request."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: bytes
