"""
Takes offers from the bus and hands them to the agents they are for.

An offer is serialised once, whoever it is for. Delivery is not promised: each one is told as a fact, and
whoever offered repeats until the agent reports.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from contracts.ids import UID_LENGTH
from fleet.events.v1 import offers_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import answers, metrics
from opamp_gateway.offers import (
    CLOSE,
    COMMAND,
    CONNECTION_SETTINGS,
    CUSTOM_MESSAGE,
    NAMES,
    REPORT_COMPONENTS,
    REPORT_FULL_STATE,
    Offering,
    fitting,
    knows,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opamp_gateway.connections import Holder
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.session import Session

log = structlog.get_logger()

_AT_ONCE = 256
"""Deliveries between two looks at other work."""

REPLACED = "replaced"
"""The reason of a CLOSE from another gateway that has the agent now: it is obeyed only if the peer is dead."""

_INLINE = (REPORT_FULL_STATE, REPORT_COMPONENTS, CLOSE, CONNECTION_SETTINGS, COMMAND, CUSTOM_MESSAGE)
"""Kinds whose content, if they have any, is in the offer or nowhere: it is small, secret, or for one agent only."""


class OfferDesk:
    """
    Hears the offers for this gateway.

    Args:
        gateway: Holds the agents.

        answer: Publishes an OfferReply to the subject the asker named.
    """

    def __init__(self, gateway: Gateway, answer: Callable[[str, bytes], Awaitable[None]]) -> None:
        self._gateway = gateway
        self._answer = answer

    async def hear(self, payload: bytes, reply_to: str) -> None:
        """Take one offer; what cannot be read is dropped with a warning."""
        try:
            offer = offers_pb2.Offer.FromString(payload)
        except DecodeError:
            log.warning("offer_not_readable")
            return
        if not knows(offer.kind):
            log.warning("offer_of_unknown_kind", kind=offer.kind)
            return
        if offer.kind == CLOSE and offer.reason == REPLACED:
            # Waits for a sign of life: not while other offers stand in line.
            self._gateway.errands.run(self._give_up(offer, reply_to), "give up")
            return
        if offer.kind in _INLINE or offer.content or self._have(offer.content_hash):
            await self._hand_out_and_answer(offer, reply_to)
            return
        # A fetch takes a while; the next offer must not stand in line behind it.
        if not self._gateway.errands.run(self._fetch_and_hand_out(offer, reply_to), "offer content"):
            log.warning("offer_dropped", offer_id=offer.offer_id)

    def _have(self, content_hash: bytes) -> bool:
        return self._gateway.content.have(content_hash) is not None

    async def _fetch_and_hand_out(self, offer: offers_pb2.Offer, reply_to: str) -> None:
        if await self._gateway.content.get(offer.content_hash) is None and not self._mine(offer):
            # Not ours to miss: an offer to all for agents of other gateways.
            reply = offers_pb2.OfferReply(gateway_id=self._gateway.rules.gateway_id)
            reply.unknown_uids = b"".join(target.instance_uid for target in offer.targets)
            await self._reply(reply, reply_to)
            return
        await self._hand_out_and_answer(offer, reply_to)

    def _mine(self, offer: offers_pb2.Offer) -> bool:
        return any(self._find(offer.tenant_id, target) is not None for target in offer.targets)

    async def _hand_out_and_answer(self, offer: offers_pb2.Offer, reply_to: str) -> None:
        await self._reply(await self.hand_out(offer), reply_to)

    async def _reply(self, reply: offers_pb2.OfferReply, reply_to: str) -> None:
        if reply_to:
            await self._answer(reply_to, reply.SerializeToString())

    async def hand_out(self, offer: offers_pb2.Offer) -> offers_pb2.OfferReply:
        """Queue *offer* for every target that is here and able; tell who was not."""
        reply = offers_pb2.OfferReply(gateway_id=self._gateway.rules.gateway_id)
        offering: Offering | None = None
        if offer.kind != CLOSE:
            try:
                offering = self._offering(offer)
            except DecodeError:
                log.warning("offer_not_readable", kind=offer.kind)
                return reply
            if offering is None:
                reply.content_missing = True
                return reply
        unknown: list[bytes] = []
        incapable: list[bytes] = []
        for count, target in enumerate(offer.targets, 1):
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
            holder = self._find(offer.tenant_id, target)
            session = holder.session if holder is not None else None
            if holder is None or session is None:
                unknown.append(target.instance_uid)
            elif offering is None:
                holder.end(offer.reason or "deleted")
                reply.accepted += 1
            elif self._deliver(holder, session, offering):
                reply.accepted += 1
            else:
                incapable.append(target.instance_uid)
        reply.unknown_uids = b"".join(uid for uid in unknown if len(uid) == UID_LENGTH)
        reply.incapable_uids = b"".join(incapable)
        metrics.OFFERS.labels("accepted").inc(reply.accepted)
        metrics.OFFERS.labels("unknown").inc(len(unknown))
        metrics.OFFERS.labels("incapable").inc(len(incapable))
        if offering is not None:
            metrics.DELIVERED.labels(NAMES[offer.kind]).inc(reply.accepted)
        return reply

    def _find(self, tenant_id: str, target: offers_pb2.OfferTarget) -> Holder | None:
        holder = self._gateway.connections.get(tenant_id, target.instance_uid)
        if holder is None or holder.session is None:
            return None
        if target.epoch and target.epoch != holder.session.epoch:
            return None
        return holder

    def _deliver(self, holder: Holder, session: Session, offering: Offering) -> bool:
        """Tell one agent, if it takes this now."""
        if not session.takes(offering.kind, offering.capability):
            return False
        if offering.kind == CONNECTION_SETTINGS and offering.content is not None:
            content = fitting(offering.content, session.capabilities)
            if content is None:
                return False
            if content is not offering.content:
                offering = Offering(offering.kind, offering.content_hash, content, offering.offer_id)
        return holder.deliver(offering)

    def _offering(self, offer: offers_pb2.Offer) -> Offering | None:
        """Make the offer ready; None when its content is neither in it nor to be had."""
        if offer.kind in (REPORT_FULL_STATE, REPORT_COMPONENTS):
            return Offering(offer.kind, b"", b"", offer.offer_id)
        if offer.kind == CUSTOM_MESSAGE:
            return self._custom(offer)
        if offer.kind in _INLINE:
            return Offering(offer.kind, offer.content_hash, offer.content, offer.offer_id)
        content = offer.content or self._gateway.content.have(offer.content_hash)
        if content is None:
            return None
        if offer.content and offer.content_hash:
            self._gateway.content.keep(offer.content_hash, offer.content)
        return Offering(offer.kind, offer.content_hash, content, offer.offer_id)

    def _custom(self, offer: offers_pb2.Offer) -> Offering:
        """Make a custom message ready; a capability agents were not told of is announced along with it."""
        message = opamp.CustomMessage.FromString(offer.content)
        announced = self._gateway.rules.greeting.custom_capabilities
        extra = b""
        if message.capability not in announced:
            extra = answers.custom_capabilities((*announced, message.capability))
        return Offering(
            offer.kind,
            offer.content_hash,
            offer.content,
            offer.offer_id,
            capability=message.capability,
            extra=extra,
        )

    async def _give_up(self, offer: offers_pb2.Offer, reply_to: str) -> None:
        """Close connections another gateway has now, unless their peers are alive: those stay, and are told."""
        reply = offers_pb2.OfferReply(gateway_id=self._gateway.rules.gateway_id)
        alive: list[bytes] = []
        for target in offer.targets:
            holder = self._find(offer.tenant_id, target)
            if holder is None:
                continue
            if await holder.answers(self._gateway.limits.clone_seconds):
                alive.append(target.instance_uid)
            else:
                holder.end(REPLACED)
                reply.accepted += 1
        reply.incapable_uids = b"".join(alive)
        await self._reply(reply, reply_to)
