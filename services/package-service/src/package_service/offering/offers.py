"""
Speaking to gateways: what should be offered, grouped so that big bytes travel once.

Nothing here is remembered: every offer is recorded in the database before it comes here, and repeated from there
until the agent reports. So whatever goes wrong is counted and left.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from contracts import subjects
from contracts.ids import UID_LENGTH
from fleet.events.v1 import facts_pb2, offers_pb2
from package_service import metrics
from servicekit.bus import NoResponders
from servicekit.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from package_service.offering.contents import Contents
    from servicekit.bus import Bus

log = structlog.get_logger()

REQUEST_TIMEOUT_SECONDS = 3.0
CONCURRENT_REQUESTS = 8
EVERY_GATEWAY = ""
"""As gateway of an order: whoever holds the agent takes it."""

PACKAGES = facts_pb2.OFFER_KIND_PACKAGES
FULL_STATE = facts_pb2.OFFER_KIND_REPORT_FULL_STATE

_GATEWAY_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Order:
    """Tell one agent one thing."""

    tenant_id: str
    uid: bytes
    epoch: int
    gateway_id: str
    kind: int
    content_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class _Group:
    """What may go in one message."""

    tenant_id: str
    gateway_id: str
    kind: int
    content_hash: bytes


class OfferDesk:
    """
    Takes orders and speaks them; run() does the speaking.

    Args:
        bus: Where gateways listen.

        contents: Where lists come from.

        chunk: Agents per message.

        inline_bytes: A list up to this size travels inside the message.
    """

    def __init__(self, bus: Bus, contents: Contents, *, chunk: int, inline_bytes: int) -> None:
        self._bus = bus
        self._contents = contents
        self._chunk = chunk
        self._inline_bytes = inline_bytes
        self._waiting: dict[tuple[str, bytes, int], Order] = {}
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

    def put(self, orders: Iterable[Order]) -> None:
        """Queue orders; the newest of a kind replaces an older one for the same agent."""
        for order in orders:
            self._waiting[order.tenant_id, order.uid, order.kind] = order
        if self._waiting:
            self._wake.set()

    async def run(self) -> None:
        """Speak whatever waits, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            orders, self._waiting = list(self._waiting.values()), {}
            await self.speak(orders)

    async def speak(self, orders: Sequence[Order]) -> None:
        """Speak these orders now, grouped by gateway and content."""
        groups: dict[_Group, list[Order]] = defaultdict(list)
        for order in orders:
            groups[_Group(order.tenant_id, order.gateway_id, order.kind, order.content_hash)].append(order)
        async with asyncio.TaskGroup() as tasks:
            for group, members in groups.items():
                for start in range(0, len(members), self._chunk):
                    tasks.create_task(self._guarded(group, members[start : start + self._chunk]))

    async def _guarded(self, group: _Group, members: Sequence[Order]) -> None:
        async with self._slots:
            try:
                await self._send(group, members)
            except Unavailable as error:
                metrics.OFFERS.labels("unheard").inc(len(members))
                log.info("offer_unheard", gateway_id=group.gateway_id, agents=len(members), reason=error.public)

    async def _send(self, group: _Group, members: Sequence[Order]) -> None:
        offer = await self._message(group)
        if offer is None:
            return
        if not _GATEWAY_TOKEN.fullmatch(group.gateway_id):
            if group.kind == PACKAGES and not offer.content:
                # Nobody answers to a broadcast, so nobody could say that the content is missing.
                await self._contents.store(group.content_hash, again=True)
            await self._broadcast(offer, [member.uid for member in members])
            return
        offer.targets.extend(offers_pb2.OfferTarget(instance_uid=member.uid, epoch=member.epoch) for member in members)
        try:
            reply = await self._ask(group, offer)
            if reply.content_missing:
                await self._contents.store(group.content_hash, again=True)
                reply = await self._ask(group, offer)
        except NoResponders:
            await self._broadcast(offer, [member.uid for member in members])
            return
        unknown = _unpacked(reply.unknown_uids)
        metrics.OFFERS.labels("accepted").inc(reply.accepted)
        metrics.OFFERS.labels("incapable").inc(len(_unpacked(reply.incapable_uids)))
        if unknown:
            await self._broadcast(offer, unknown)

    async def _message(self, group: _Group) -> offers_pb2.Offer | None:
        offer = offers_pb2.Offer(offer_id=uuid.uuid4().hex, tenant_id=group.tenant_id)
        offer.kind = group.kind  # type: ignore[assignment] # an OfferKind
        if group.kind != PACKAGES:
            return offer
        offer.content_hash = group.content_hash
        content = self._contents.get(group.content_hash)
        if content is None:
            log.warning("offer_without_content", content_hash=group.content_hash.hex())
            return None
        if len(content) <= self._inline_bytes:
            offer.content = content
        else:
            await self._contents.store(group.content_hash)
        return offer

    async def _ask(self, group: _Group, offer: offers_pb2.Offer) -> offers_pb2.OfferReply:
        raw = await self._bus.request(
            subjects.offer(group.gateway_id), offer.SerializeToString(), timeout_seconds=REQUEST_TIMEOUT_SECONDS
        )
        try:
            return offers_pb2.OfferReply.FromString(raw)
        except DecodeError as error:
            raise Unavailable("the gateway's answer cannot be read") from error

    async def _broadcast(self, offer: offers_pb2.Offer, uids: Sequence[bytes]) -> None:
        """Ask every gateway: one that holds the agent takes it, on whichever connection is live."""
        del offer.targets[:]
        offer.targets.extend(offers_pb2.OfferTarget(instance_uid=uid) for uid in uids)
        await self._bus.publish(subjects.OFFER_ALL, offer.SerializeToString())
        metrics.OFFERS.labels("broadcast").inc(len(uids))


def _unpacked(packed: bytes) -> list[bytes]:
    return [packed[start : start + UID_LENGTH] for start in range(0, len(packed), UID_LENGTH)]
