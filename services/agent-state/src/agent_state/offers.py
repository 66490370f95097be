"""
Ask gateways: report everything again, or close a connection.

Asking promises nothing. Who still lacks a description is asked again by looking at the table; a connection of a
deleted agent is closed again when its gateway still names it.
"""

from __future__ import annotations

import re
import uuid
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from agent_state import metrics
from contracts import subjects
from fleet.events.v1 import facts_pb2 as facts
from fleet.events.v1 import offers_pb2
from servicekit.bus import NoResponders
from servicekit.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from servicekit.bus import Bus
    from servicekit.clock import Clock

log = structlog.get_logger()

TIMEOUT_SECONDS = 2.0
LOOK_EVERY_SECONDS = 2.0
TARGETS_PER_OFFER = 1000
MAX_TRIES = 6
FIRST_PAUSE_SECONDS = 10.0
REMEMBERED = 200_000
DELETED = "deleted"

GATEWAY_TOKEN = re.compile(r"[!-)+-=?-~]+")
"""What may stand in a subject: visible ASCII but the wildcards. Anything else would garble the protocol."""

# A fresh connection's description normally follows within milliseconds; ask only those it did not follow.
_UNDESCRIBED = """
SELECT a.tenant_id, a.agent_uid, a.epoch, p.gateway_id
FROM agent a JOIN agent_presence p USING (tenant_id, agent_uid)
WHERE a.described_epoch = 0 AND a.link = 'connected' AND p.last_seen_at > now() - interval '5 minutes'
  AND a.updated_at < now() - interval '1 second'
LIMIT 10000
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A connection, and who holds it."""

    tenant_id: str
    uid: bytes
    epoch: int
    gateway_id: str


class Offers:
    """Sends requests to gateways."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def ask_full_state(self, targets: Iterable[Target]) -> None:
        """Let agents tell everything again."""
        await self._send(facts.OFFER_KIND_REPORT_FULL_STATE, targets, "")

    async def ask_components(self, targets: Iterable[Target]) -> None:
        """Let agents list their components."""
        await self._send(facts.OFFER_KIND_REPORT_AVAILABLE_COMPONENTS, targets, "")

    async def close(self, targets: Iterable[Target], reason: str = DELETED) -> None:
        """End connections for good."""
        await self._send(facts.OFFER_KIND_CLOSE, targets, reason)

    async def _send(self, kind: facts.OfferKind, targets: Iterable[Target], reason: str) -> None:
        groups: dict[tuple[str, str], list[Target]] = defaultdict(list)
        for target in targets:
            groups[target.gateway_id, target.tenant_id].append(target)
        for (gateway_id, tenant_id), members in groups.items():
            for start in range(0, len(members), TARGETS_PER_OFFER):
                offer = offers_pb2.Offer(
                    offer_id=uuid.uuid4().hex,
                    tenant_id=tenant_id,
                    kind=kind,
                    reason=reason,
                    targets=[
                        offers_pb2.OfferTarget(instance_uid=member.uid, epoch=member.epoch)
                        for member in members[start : start + TARGETS_PER_OFFER]
                    ],
                )
                outcome = await self._deliver(gateway_id, offer)
                metrics.OFFERS.labels(facts.OfferKind.Name(kind).removeprefix("OFFER_KIND_").lower(), outcome).inc()

    async def _deliver(self, gateway_id: str, offer: offers_pb2.Offer) -> str:
        payload = offer.SerializeToString()
        outcome = "broadcast"
        try:
            if GATEWAY_TOKEN.fullmatch(gateway_id):
                answer = await self._bus.request(subjects.offer(gateway_id), payload, timeout_seconds=TIMEOUT_SECONDS)
                reply = offers_pb2.OfferReply.FromString(answer)
                if not reply.unknown_uids:
                    return "taken"
        except NoResponders:
            pass
        except Unavailable as error:
            log.info("offer_not_answered", gateway_id=gateway_id, error=error.public)
        except DecodeError:
            log.warning("offer_reply_unreadable", gateway_id=gateway_id)
            outcome = "unreadable"
        # The gateway is gone, or the agent moved on: whoever holds it now takes it.
        try:
            await self._bus.publish(subjects.OFFER_ALL, payload)
        except Unavailable:
            return "unavailable"
        return outcome


class FullStateAsker:
    """Level-triggered: looks for connected agents nothing is known of and asks for them, ever more patiently."""

    def __init__(self, pool: asyncpg.Pool, offers: Offers, clock: Clock) -> None:
        self._pool = pool
        self._offers = offers
        self._clock = clock
        self._asked: OrderedDict[tuple[str, bytes, int], tuple[int, float]] = OrderedDict()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> int:
        """Ask those who are due; return how many."""
        now = self._clock.monotonic()
        due = []
        for row in await self._pool.fetch(_UNDESCRIBED):
            target = Target(row["tenant_id"], row["agent_uid"], row["epoch"], row["gateway_id"])
            key = (target.tenant_id, target.uid, target.epoch)
            tries, not_before = self._asked.get(key, (0, 0.0))
            if tries >= MAX_TRIES or now < not_before:
                continue
            self._asked[key] = (tries + 1, now + FIRST_PAUSE_SECONDS * 2**tries)
            self._asked.move_to_end(key)
            due.append(target)
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        if due:
            log.info("full_state_asked", agents=len(due))
            await self._offers.ask_full_state(due)
        return len(due)
