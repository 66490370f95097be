"""What waits to be told to an agent: one newest thing of each kind, serialised once for all its targets."""

from __future__ import annotations

from typing import Final

from contracts.capabilities import REQUIRED_BY_OFFER
from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import answers, frames
from opamp_gateway.varint import delimited, number

REMOTE_CONFIG: Final = int(facts_pb2.OFFER_KIND_REMOTE_CONFIG)
CONNECTION_SETTINGS: Final = int(facts_pb2.OFFER_KIND_CONNECTION_SETTINGS)
PACKAGES: Final = int(facts_pb2.OFFER_KIND_PACKAGES)
CUSTOM_MESSAGE: Final = int(facts_pb2.OFFER_KIND_CUSTOM_MESSAGE)
REPORT_COMPONENTS: Final = int(facts_pb2.OFFER_KIND_REPORT_AVAILABLE_COMPONENTS)
COMMAND: Final = int(facts_pb2.OFFER_KIND_COMMAND)
REPORT_FULL_STATE: Final = int(facts_pb2.OFFER_KIND_REPORT_FULL_STATE)
CLOSE: Final = int(facts_pb2.OFFER_KIND_CLOSE)

_FIELDS: Final = {
    REMOTE_CONFIG: 3,
    CONNECTION_SETTINGS: 4,
    PACKAGES: 5,
    COMMAND: 9,
    CUSTOM_MESSAGE: 11,
}
"""Offer kind to the ServerToAgent field that carries it."""

NAMES: Final = {number: name.removeprefix("OFFER_KIND_").lower() for name, number in facts_pb2.OfferKind.items()}

_FLAGS: Final = {REPORT_FULL_STATE: answers.FULL_STATE, REPORT_COMPONENTS: answers.REPORT_COMPONENTS}
"""Offer kind to the ServerToAgent flag that says it; such offers have no content."""

_MOST_CUSTOM: Final = 16
"""Custom messages that may wait for one agent; they do not replace each other."""

_UID_FIELD: Final = b"\x0a\x10"
_UID_FIELD_SIZE: Final = 18


class Offering:
    """
    One offer, ready to be spliced: `part` goes behind the uid field of any agent.

    Args:
        kind: An OfferKind that has content, or a flag.

        content: Serialised sub-message; empty for a flag.

        capability: Of a custom message.

        extra: Further fields of the same message.
    """

    __slots__ = ("_head", "capability", "content", "content_hash", "flag", "kind", "offer_id", "part")

    def __init__(
        self,
        kind: int,
        content_hash: bytes,
        content: bytes,
        offer_id: str,
        *,
        capability: str = "",
        extra: bytes = b"",
    ) -> None:
        self.kind = kind
        self.content_hash = content_hash
        self.offer_id = offer_id
        self.capability = capability
        self.content = content if kind == CONNECTION_SETTINGS else None
        """Of connection settings only: they are cut to what an agent takes."""

        self.flag = _FLAGS.get(kind, 0)
        self.part = number(6, self.flag) if self.flag else extra + delimited(_FIELDS[kind], content)
        self._head = frames.head(frames.BINARY, 1 + _UID_FIELD_SIZE + len(self.part)) + b"\x00" + _UID_FIELD

    @property
    def size(self) -> int:
        """Bytes of the WebSocket message that carries it, header included."""
        return 1 + _UID_FIELD_SIZE + len(self.part)

    def frame_for(self, uid: bytes) -> bytes:
        """Write the WebSocket frame that tells it to *uid*."""
        return b"".join((self._head, uid, self.part))

    def payload_for(self, uid: bytes) -> bytes:
        """Write the WebSocket message that tells it to *uid*."""
        return b"".join((b"\x00", _UID_FIELD, uid, self.part))


class Mailbox:
    """One slot per kind, where the newest wins, as the specification allows; custom messages stand in line."""

    __slots__ = ("_custom", "_slots")

    def __init__(self) -> None:
        self._slots: dict[int, Offering] = {}
        self._custom: list[Offering] = []

    def put(self, offering: Offering) -> bool:
        """Keep *offering* until it can be delivered; False when the line of custom messages is full."""
        if offering.kind != CUSTOM_MESSAGE:
            self._slots[offering.kind] = offering
            return True
        if len(self._custom) >= _MOST_CUSTOM:
            return False
        self._custom.append(offering)
        return True

    def __len__(self) -> int:
        return len(self._slots) + len(self._custom)

    def hash_of(self, kind: int) -> bytes:
        """Tell the content hash of what waits of *kind*; empty = nothing does."""
        offering = self._slots.get(kind)
        return offering.content_hash if offering is not None else b""

    def take(self, *, alone: bool = True) -> list[Offering]:
        """
        Take what one ServerToAgent may carry: a command alone, or one of everything else together.

        A command says so by the specification: whoever reads one reads nothing else of that message.

        Args:
            alone: Nothing else is in that message yet; otherwise a command waits for the next.
        """
        if alone and COMMAND in self._slots:
            return [self._slots.pop(COMMAND)]
        command = self._slots.pop(COMMAND, None)
        taken = [*self._slots.values(), *self._custom[:1]]
        self._slots.clear()
        del self._custom[:1]
        if command is not None:
            self._slots[COMMAND] = command
        return taken


_MEMBERS: Final = (
    ("opamp", int(opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings)),
    ("own_metrics", int(opamp.AgentCapabilities_ReportsOwnMetrics)),
    ("own_traces", int(opamp.AgentCapabilities_ReportsOwnTraces)),
    ("own_logs", int(opamp.AgentCapabilities_ReportsOwnLogs)),
    ("other_connections", int(opamp.AgentCapabilities_AcceptsOtherConnectionSettings)),
)
"""Members of ConnectionSettingsOffers and the capability each needs."""


def fitting(content: bytes, capabilities: int) -> bytes | None:
    """
    Leave out of connection settings what an agent does not take; its capabilities may have changed since.

    The hash stays: it stands for all settings in force, those left out included.

    Args:
        content: A serialised ConnectionSettingsOffers.

        capabilities: As the agent states them now.

    Returns:
        The content, or None when nothing is left to offer.
    """
    settings = opamp.ConnectionSettingsOffers.FromString(content)
    left, dropped = 0, False
    for name, needed in _MEMBERS:
        if not (settings.HasField(name) if name != "other_connections" else settings.other_connections):
            continue
        if capabilities & needed:
            left += 1
        else:
            settings.ClearField(name)
            dropped = True
    if not left:
        return None
    return settings.SerializeToString(deterministic=True) if dropped else content


def knows(kind: int) -> bool:
    """Say whether this gateway can carry an offer of *kind*."""
    return kind in REQUIRED_BY_OFFER
