"""
Facts as the gateway holds them between hearing and publishing: small, and already on the way to bytes.

The sub-message an agent sent is wrapped, never rebuilt: protobuf fields are prepended by hand, and the tests
check the result against the generated classes.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, Protocol

from opamp_gateway.varint import delimited, encode, number

CONNECTED: Final = 16
DISCONNECTED: Final = 17
DESCRIBED: Final = 18
HEALTH_REPORTED: Final = 19
EFFECTIVE_CONFIG_REPORTED: Final = 20
REMOTE_CONFIG_STATUS_REPORTED: Final = 21
PACKAGE_STATUSES_REPORTED: Final = 22
CONNECTION_SETTINGS_STATUS_REPORTED: Final = 23
CONNECTION_SETTINGS_REQUESTED: Final = 24
COMPONENTS_REPORTED: Final = 25
CUSTOM_MESSAGE_RECEIVED: Final = 26
OFFER_DELIVERED: Final = 27
"""Field numbers of fleet.events.v1.Fact.kind."""

NAMES: Final[dict[int, str]] = {
    CONNECTED: "connected",
    DISCONNECTED: "disconnected",
    DESCRIBED: "described",
    HEALTH_REPORTED: "health_reported",
    EFFECTIVE_CONFIG_REPORTED: "effective_config_reported",
    REMOTE_CONFIG_STATUS_REPORTED: "remote_config_status_reported",
    PACKAGE_STATUSES_REPORTED: "package_statuses_reported",
    CONNECTION_SETTINGS_STATUS_REPORTED: "connection_settings_status_reported",
    CONNECTION_SETTINGS_REQUESTED: "connection_settings_requested",
    COMPONENTS_REPORTED: "components_reported",
    CUSTOM_MESSAGE_RECEIVED: "custom_message_received",
    OFFER_DELIVERED: "offer_delivered",
}


_WITHHELD: Final = number(7, 1)
_KIND_TAGS: Final = {kind: encode(kind << 3 | 2) for kind in NAMES}
_STAMP: Final = struct.Struct("<Q")


class Speaker(Protocol):
    """What a fact and its way to the bus need of a session."""

    tenant_id: str
    uid: bytes
    epoch: int
    turn: int
    sequence_num: int
    reported_hash: bytes
    customs: tuple[str, ...]
    """Custom capabilities the agent announced."""

    held: list[Fact] | None
    """Facts that wait for the epoch."""

    def next_fact(self) -> int:
        """Number the next fact."""
        ...


class Fact:
    """
    One thing an agent did; the epoch is its session's and may come later.

    `variant` tells facts of one kind apart that must not replace each other in the spool. `slots` are the
    digests to remember in the registry once this fact is published: (slot, digest) pairs.
    """

    __slots__ = ("agent_sequence_num", "body", "kind", "sequence", "session", "slots", "time_unix_nano", "variant")

    def __init__(
        self,
        session: Speaker,
        kind: int,
        body: bytes,
        time_unix_nano: int,
        *,
        variant: int = 0,
        slots: tuple[tuple[int, bytes], ...] = (),
    ) -> None:
        self.session = session
        self.kind = kind
        self.body = body
        self.time_unix_nano = time_unix_nano
        self.variant = variant
        self.slots = slots
        self.sequence = session.next_fact()
        self.agent_sequence_num = session.sequence_num

    def to_bytes(self) -> bytes:
        """Write the fact as fleet.events.v1.Fact; its session must have its epoch by now."""
        session = self.session
        body = self.body
        # By hand: an object for every fact costs more than all its fields.
        return b"".join(
            (
                _tenant(session.tenant_id),
                delimited(2, session.uid),
                number(3, session.epoch),
                number(4, self.sequence),
                b"\x29" + _STAMP.pack(self.time_unix_nano) if self.time_unix_nano else b"",
                number(7, self.agent_sequence_num),
                _KIND_TAGS[self.kind],
                encode(len(body)),
                body,
            )
        )


@lru_cache(maxsize=64)
def _tenant(tenant_id: str) -> bytes:
    """Write field 1 of a fact; there are few tenants and many facts."""
    return delimited(1, tenant_id.encode()) if tenant_id else b""


def batch(gateway_id: str, facts: list[bytes]) -> bytes:
    """Write serialised facts as one fleet.events.v1.FactBatch."""
    parts = [delimited(1, gateway_id.encode())]
    for fact in facts:
        parts += (b"\x12", encode(len(fact)), fact)
    return b"".join(parts)


def connected(
    gateway_id: str,
    transport: int,
    remote_address: str,
    capabilities: int,
    credential_id: str,
    *,
    labels: tuple[tuple[str, str], ...] = (),
    withheld: bool = False,
) -> bytes:
    """Write the body of Connected."""
    return b"".join(
        (
            _text(1, gateway_id),
            number(2, transport),
            delimited(3, remote_address.encode()) if remote_address else b"",
            number(4, capabilities),
            _text(5, credential_id) if credential_id else b"",
            _stamps(labels) if labels else b"",
            _WITHHELD if withheld else b"",
        )
    )


@lru_cache(maxsize=4096)
def _text(tag: int, text: str) -> bytes:
    """Write a field whose value few agents do not share."""
    return delimited(tag, text.encode())


def _stamps(labels: tuple[tuple[str, str], ...]) -> bytes:
    return b"".join(delimited(6, delimited(1, name.encode()) + delimited(2, value.encode())) for name, value in labels)


def disconnected(reason: str) -> bytes:
    """Write the body of Disconnected."""
    return delimited(1, reason.encode())


def described(description: bytes | None, capabilities: int, custom_capabilities: bytes | None) -> bytes:
    """Write the body of Described; None = the agent said nothing of it."""
    return b"".join(
        (
            delimited(1, description) if description is not None else b"",
            number(2, capabilities),
            delimited(3, custom_capabilities) if custom_capabilities is not None else b"",
        )
    )


def offer_delivered(kind: int, content_hash: bytes, offer_id: str) -> bytes:
    """Write the body of OfferDelivered."""
    return b"".join(
        (
            number(1, kind),
            delimited(2, content_hash) if content_hash else b"",
            delimited(3, offer_id.encode()) if offer_id else b"",
        )
    )
