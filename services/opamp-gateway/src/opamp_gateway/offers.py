"""What waits to be told to an agent: one newest thing of each kind, serialised once for all its targets."""

from __future__ import annotations

from typing import Final

from contracts.capabilities import REQUIRED_BY_OFFER
from fleet.events.v1 import facts_pb2
from opamp_gateway import answers, frames
from opamp_gateway.varint import delimited

REMOTE_CONFIG: Final = int(facts_pb2.OFFER_KIND_REMOTE_CONFIG)
COMMAND: Final = int(facts_pb2.OFFER_KIND_COMMAND)
REPORT_FULL_STATE: Final = int(facts_pb2.OFFER_KIND_REPORT_FULL_STATE)
CLOSE: Final = int(facts_pb2.OFFER_KIND_CLOSE)

_FIELDS: Final = {
    REMOTE_CONFIG: 3,
    int(facts_pb2.OFFER_KIND_CONNECTION_SETTINGS): 4,
    int(facts_pb2.OFFER_KIND_PACKAGES): 5,
    COMMAND: 9,
    int(facts_pb2.OFFER_KIND_CUSTOM_MESSAGE): 11,
}
"""Offer kind to the ServerToAgent field that carries it."""

_UID_FIELD: Final = b"\x0a\x10"
_UID_FIELD_SIZE: Final = 18


class Offering:
    """
    One offer, ready to be spliced: `part` goes behind the uid field of any agent.

    Args:
        kind: An OfferKind that has content, or REPORT_FULL_STATE.

        content: Serialised sub-message; empty for REPORT_FULL_STATE.
    """

    __slots__ = ("_head", "content_hash", "kind", "offer_id", "part")

    def __init__(self, kind: int, content_hash: bytes, content: bytes, offer_id: str) -> None:
        self.kind = kind
        self.content_hash = content_hash
        self.offer_id = offer_id
        self.part = answers.REPORT_FULL_STATE if kind == REPORT_FULL_STATE else delimited(_FIELDS[kind], content)
        self._head = frames.head(frames.BINARY, 1 + _UID_FIELD_SIZE + len(self.part)) + b"\x00" + _UID_FIELD

    @property
    def size(self) -> int:
        """Bytes of the WebSocket message that carries it, header included."""
        return 1 + _UID_FIELD_SIZE + len(self.part)

    def frame_for(self, uid: bytes) -> bytes:
        """Write the WebSocket frame that tells it to *uid*."""
        return b"".join((self._head, uid, self.part))


class Mailbox:
    """One slot per kind; the newest wins, as the specification allows."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: dict[int, Offering] = {}

    def put(self, offering: Offering) -> None:
        """Keep *offering* until it can be delivered, instead of an older one of its kind."""
        self._slots[offering.kind] = offering

    def __len__(self) -> int:
        return len(self._slots)

    def hash_of(self, kind: int) -> bytes:
        """Tell the content hash of what waits of *kind*; empty = nothing does."""
        offering = self._slots.get(kind)
        return offering.content_hash if offering is not None else b""

    def take(self) -> list[Offering]:
        """
        Take what one ServerToAgent may carry: a command alone, or everything else together.

        A command says so by the specification: whoever reads one reads nothing else of that message.
        """
        if COMMAND in self._slots:
            return [self._slots.pop(COMMAND)]
        taken = list(self._slots.values())
        self._slots.clear()
        return taken


def knows(kind: int) -> bool:
    """Say whether this gateway can carry an offer of *kind*."""
    return kind in REQUIRED_BY_OFFER
