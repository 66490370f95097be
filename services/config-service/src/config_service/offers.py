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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from config_service import metrics
from contracts import subjects
from contracts.ids import UID_LENGTH
from fleet.events.v1 import facts_pb2, offers_pb2
from servicekit.bus import NoResponders
from servicekit.errors import Unavailable
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from config_service.contents import Content, Contents
    from servicekit.bus import Bus

log = structlog.get_logger()

REQUEST_TIMEOUT_SECONDS = 3.0
CONCURRENT_REQUESTS = 8
LARGE_ROUND = 1000
"""Agents being offered to at the same moment from which other work lets them go first ..."""

PATIENCE_SECONDS = 1.0
"""... for so long."""

_GATEWAY_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")

EVERY_GATEWAY = ""
"""As gateway of an order: whoever holds the agent takes it."""

REMOTE_CONFIG = facts_pb2.OFFER_KIND_REMOTE_CONFIG
FULL_STATE = facts_pb2.OFFER_KIND_REPORT_FULL_STATE


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

        contents: Where bodies come from.

        chunk: Agents per message.

        inline_bytes: Content up to this size travels inside the message.
    """

    def __init__(self, bus: Bus, contents: Contents, *, chunk: int, inline_bytes: int) -> None:
        self._bus = bus
        self._contents = contents
        self._chunk = chunk
        self._inline_bytes = inline_bytes
        self._waiting: dict[tuple[str, bytes, int], Order] = {}
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
        self._under_way = 0
        self._calm = asyncio.Event()
        self._calm.set()

    def learn(self, contents: Iterable[Content]) -> None:
        """Hear of contents before they are to be offered."""
        self._contents.learn(contents)

    async def give_way(self) -> None:
        """
        Wait while gateways are busy with a large round, a second at most; else return at once.

        What the first agents answer would take the processor from those who wait for their offer.
        """
        if self._calm.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._calm.wait()

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
            except Exception as error:
                if not is_transient(error):
                    raise
                metrics.OFFERS.labels("unheard").inc(len(members))
                log.info("offer_unheard", gateway_id=group.gateway_id, agents=len(members), reason=str(error))

    async def _send(self, group: _Group, members: Sequence[Order]) -> None:
        offer = await self._message(group)
        if offer is None:
            return
        if group.kind == FULL_STATE:
            metrics.PROBES.inc(len(members))
        if not _GATEWAY_TOKEN.fullmatch(group.gateway_id):
            if group.kind == REMOTE_CONFIG and not offer.content:
                # Nobody answers to a broadcast, so nobody could say that the content is missing.
                await self._contents.store(group.tenant_id, group.content_hash, again=True)
            await self._broadcast(offer, [member.uid for member in members])
            return
        del offer.targets[:]
        offer.targets.extend(offers_pb2.OfferTarget(instance_uid=member.uid, epoch=member.epoch) for member in members)
        try:
            with self._counted(len(members)):
                reply = await self._ask(group, offer)
            if reply.content_missing:
                await self._contents.store(group.tenant_id, group.content_hash, again=True)
                reply = await self._ask(group, offer)
        except NoResponders:
            await self._broadcast(offer, [member.uid for member in members])
            return
        unknown = _unpacked(reply.unknown_uids)
        incapable = _unpacked(reply.incapable_uids)
        metrics.OFFERS.labels("accepted").inc(reply.accepted)
        metrics.OFFERS.labels("incapable").inc(len(incapable))
        if unknown:
            await self._broadcast(offer, unknown)

    @contextmanager
    def _counted(self, agents: int) -> Iterator[None]:
        """Count agents as being offered to: only while a gateway has the word, never while we look for contents."""
        self._under_way += agents
        if self._under_way >= LARGE_ROUND:
            self._calm.clear()
        try:
            yield
        finally:
            self._under_way -= agents
            if self._under_way < LARGE_ROUND:
                self._calm.set()

    async def _message(self, group: _Group) -> offers_pb2.Offer | None:
        offer = offers_pb2.Offer(offer_id=uuid.uuid4().hex, tenant_id=group.tenant_id)
        offer.kind = group.kind  # type: ignore[assignment] # an OfferKind
        if group.kind != REMOTE_CONFIG:
            return offer
        offer.content_hash = group.content_hash
        content = await self._contents.message(group.tenant_id, group.content_hash)
        if content is None:
            log.error("offer_without_content", content_hash=group.content_hash.hex())
            return None
        if len(content) <= self._inline_bytes:
            offer.content = content
        else:
            await self._contents.store(group.tenant_id, group.content_hash)
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
