"""How the server behaves towards an agent just now: what it refuses, what it answers, what waits to be said."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opampctl.conformance.as_server.said import Said

ALL_CAPABILITIES = sum(opamp.ServerCapabilities.values())
MEDIA_TYPE = "application/x-protobuf"


@dataclass(frozen=True)
class Refusal:
    """An answer in HTTP's words."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Manners:
    """Set anew for each scenario, and changed by it."""

    capabilities: int = ALL_CAPABILITIES
    """Stated in the first answer of a connection."""

    custom: tuple[str, ...] = ()
    """Custom capabilities, announced in that answer."""

    refuse: Callable[[str, Mapping[str, str]], Refusal | None] = lambda _path, _headers: None
    """Judge a knock by path and headers."""

    reply: Callable[[Said], opamp.ServerToAgent | Refusal | None] = lambda _said: None
    """Answer a message in a way of one's own; a Refusal is for HTTP only; None = as usual."""

    mute: bool = False
    """Answer nothing on WebSockets."""

    packs: bool = False
    """Gzip answers to agents that take it."""

    waiting: deque[bytes] = field(default_factory=deque)
    """What the next polls bring back instead of the usual answer."""


def acknowledgement(said: Said, manners: Manners, *, first: bool) -> opamp.ServerToAgent:
    """Write the usual answer."""
    answer = opamp.ServerToAgent(instance_uid=said.message.instance_uid)
    if first:
        answer.capabilities = manners.capabilities
        if manners.custom:
            answer.custom_capabilities.capabilities.extend(manners.custom)
    return answer
