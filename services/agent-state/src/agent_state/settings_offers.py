"""
Speak connection settings to gateways: always inside the message, because they hold secrets.

Nothing is remembered here: every offer was recorded before it came, and is repeated until it is delivered.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from agent_state import metrics
from agent_state.offers import GATEWAY_TOKEN
from contracts import subjects
from contracts.ids import UID_LENGTH
from fleet.events.v1 import facts_pb2 as facts
from fleet.events.v1 import offers_pb2
from servicekit.bus import NoResponders
from servicekit.errors import Unavailable

if TYPE_CHECKING:
    from servicekit.bus import Bus

log = structlog.get_logger()

TIMEOUT_SECONDS = 3.0
TARGETS_PER_OFFER = 1000
AT_ONCE = 8
"""Requests under way: one gateway that does not answer must not hold up the others."""


@dataclass(frozen=True, slots=True)
class Order:
    """Offer one agent its settings."""

    tenant_id: str
    uid: bytes
    epoch: int
    gateway_id: str
    settings_hash: bytes
    content: bytes
    """Serialised ConnectionSettingsOffers."""


class SettingsOffers:
    """Sends offers, agents of one gateway with the same settings together."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def speak(self, orders: Sequence[Order]) -> None:
        """Speak these orders now; whatever goes wrong is counted and left."""
        groups: dict[tuple[str, str, bytes], list[Order]] = defaultdict(list)
        for order in orders:
            groups[order.gateway_id, order.tenant_id, order.settings_hash].append(order)
        async with asyncio.TaskGroup() as tasks:
            for members in groups.values():
                for start in range(0, len(members), TARGETS_PER_OFFER):
                    tasks.create_task(self._send(members[start : start + TARGETS_PER_OFFER]))

    async def _send(self, members: Sequence[Order]) -> None:
        first = members[0]
        async with self._slots:
            try:
                unknown = await self._ask(first.gateway_id, _offer(members))
                if unknown:
                    lost = [member for member in members if member.uid in unknown]
                    await self._bus.publish(subjects.OFFER_ALL, _offer(lost).SerializeToString())
                    metrics.SETTINGS_OFFERS.labels("broadcast").inc(len(lost))
            except Unavailable as error:
                metrics.SETTINGS_OFFERS.labels("unheard").inc(len(members))
                log.info("settings_not_heard", gateway_id=first.gateway_id, agents=len(members), reason=error.public)

    async def _ask(self, gateway_id: str, offer: offers_pb2.Offer) -> set[bytes]:
        """Ask one gateway; return whom it does not hold."""
        everyone = {target.instance_uid for target in offer.targets}
        if not GATEWAY_TOKEN.fullmatch(gateway_id):
            return everyone
        try:
            raw = await self._bus.request(
                subjects.offer(gateway_id), offer.SerializeToString(), timeout_seconds=TIMEOUT_SECONDS
            )
            reply = offers_pb2.OfferReply.FromString(raw)
        except NoResponders:
            return everyone
        except DecodeError as error:
            raise Unavailable("the gateway's answer cannot be read") from error
        metrics.SETTINGS_OFFERS.labels("taken").inc(reply.accepted)
        metrics.SETTINGS_OFFERS.labels("incapable").inc(len(reply.incapable_uids) // UID_LENGTH)
        packed = reply.unknown_uids
        return {packed[start : start + UID_LENGTH] for start in range(0, len(packed), UID_LENGTH)}


def _offer(members: Sequence[Order]) -> offers_pb2.Offer:
    first = members[0]
    return offers_pb2.Offer(
        offer_id=uuid.uuid4().hex,
        tenant_id=first.tenant_id,
        kind=facts.OFFER_KIND_CONNECTION_SETTINGS,
        content_hash=first.settings_hash,
        content=first.content,
        targets=[offers_pb2.OfferTarget(instance_uid=member.uid, epoch=member.epoch) for member in members],
    )
