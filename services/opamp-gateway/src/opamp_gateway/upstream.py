"""What the gateway needs of the bus beyond hearing: facts stored, rivals asked, a lost stream noticed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from contracts import streams, subjects
from fleet.events.v1 import custom_pb2, facts_pb2, offers_pb2
from opamp_gateway.errors import BatchTooLarge
from opamp_gateway.offer_desk import REPLACED
from opamp_gateway.offers import REPORT_FULL_STATE, Offering
from servicekit.bus import NoResponders
from servicekit.errors import ServiceError, Unavailable

if TYPE_CHECKING:
    from opamp_gateway.facts import Speaker
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.registry import Registry
    from servicekit.bus import Bus
    from servicekit.clock import Clock

log = structlog.get_logger()

_PUBLISH_SECONDS = 5.0
_DEAD_SECONDS = 5.0
_AT_ONCE = 500
_LOOK_SECONDS = 10.0
"""Longest pause between two looks for the stream."""

_SLICE_SECONDS = 0.1


class BusSink:
    """Stores batches on the facts stream."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, partition: int, payload: bytes) -> None:
        """
        Return once the stream has the batch.

        Raises:
            Unavailable: It may or may not have it.

            BatchTooLarge: It will never have it.
        """
        if not self._bus.connected:
            raise Unavailable("the bus is not reachable")
        try:
            await self._bus.js.publish(subjects.facts(partition), payload, timeout=_PUBLISH_SECONDS)
        except MaxPayloadError as error:
            raise BatchTooLarge(f"the bus takes no message of {len(payload)} bytes") from error
        except (NatsError, TimeoutError, OSError) as error:
            raise Unavailable("the facts stream does not answer") from error


class Rivals:
    """
    Other gateways that may hold an agent that knocks here.

    Args:
        clone_seconds: How long the other side may wait for a sign of life.
    """

    def __init__(self, bus: Bus, clock: Clock, clone_seconds: float) -> None:
        self._bus = bus
        self._clock = clock
        self._patience_seconds = clone_seconds + 1.0
        self._dead: dict[str, float] = {}

    async def holds(self, gateway_id: str, tenant_id: str, uid: bytes, epoch: int) -> bool:
        """Ask *gateway_id* to give the agent up; True = its peer is alive there. No answer counts as dead."""
        now = self._clock.monotonic()
        if self._dead.get(gateway_id, 0.0) > now:
            return False
        offer = offers_pb2.Offer(tenant_id=tenant_id, kind=facts_pb2.OFFER_KIND_CLOSE, reason=REPLACED)
        offer.targets.add(instance_uid=uid, epoch=epoch)
        try:
            answer = await self._bus.request(
                subjects.offer(gateway_id), offer.SerializeToString(), timeout_seconds=self._patience_seconds
            )
        except NoResponders:
            self._dead = {known: until for known, until in self._dead.items() if until > now}
            self._dead[gateway_id] = now + _DEAD_SECONDS
            return False
        except ServiceError:
            return False
        return bool(offers_pb2.OfferReply.FromString(answer).incapable_uids)


class StreamWatch:
    """
    Notices when the facts stream was lost and made again.

    What was stored in the old one and not consumed is gone, so agents are asked for everything again.
    """

    def __init__(self, bus: Bus, gateway: Gateway) -> None:
        self._bus = bus
        self._gateway = gateway
        self._created = ""
        self._due = asyncio.Event()

    async def look(self) -> None:
        """Make the stream if it is not there; start over if it is a new one. What fails, `run` repeats."""
        if not await self._try():
            self._due.set()

    async def run(self) -> None:
        """Repeat looks that failed, for ever: JetStream may need longer than the bus to come back."""
        while True:
            await self._due.wait()
            self._due.clear()
            pause = 0.5
            while True:
                await self._gateway.clock.sleep(pause)
                if await self._try():
                    break
                pause = min(_LOOK_SECONDS, pause * 2)

    async def _try(self) -> bool:
        """Look once; say whether it is known now which stream there is."""
        try:
            state = await self._bus.ensure_stream(streams.FACTS)
        except Unavailable as error:
            log.warning("facts_stream_not_available", error=error.public)
            return False
        if self._created and state.created != self._created:
            log.warning("facts_stream_replaced", created=state.created)
            if not self._gateway.errands.run(start_over(self._gateway), "start over"):
                return False
        self._created = state.created
        return True


async def spread(bus: Bus, gateway_id: str, speaker: Speaker, body: bytes) -> None:
    """Say a custom message to whoever talks with agents now; the fact is the stored copy, so nothing is repeated."""
    heard = custom_pb2.CustomMessageHeard(tenant_id=speaker.tenant_id, instance_uid=speaker.uid, gateway_id=gateway_id)
    heard.at.GetCurrentTime()
    heard.message.CopyFrom(facts_pb2.CustomMessageReceived.FromString(body).message)
    with contextlib.suppress(ServiceError):
        await bus.publish(subjects.custom(speaker.tenant_id, speaker.uid), heard.SerializeToString())


async def start_over(gateway: Gateway) -> None:
    """Say every connection again and ask its agent for everything: what was said so far may be lost."""
    offering = Offering(REPORT_FULL_STATE, b"", b"", "")
    for count, holder in enumerate(gateway.connections, 1):
        session = holder.session
        if session is not None:
            # Should it connect anew before it told everything, nothing of it may pass for published.
            gateway.registry.forget(session)
            gateway.publisher.add((session.introduce(gateway.stamp()),))
            holder.deliver(offering)
        if count % _AT_ONCE == 0:
            # Their full states come back at once: not all of the fleet's together.
            await gateway.clock.sleep(_SLICE_SECONDS)


async def announce_all(gateway: Gateway, registry: Registry) -> None:
    """Write every live session into the registry again, with digests unless some are not published yet."""
    for count, holder in enumerate(gateway.connections, 1):
        if holder.session is not None:
            registry.announce(holder.session, digests=not gateway.publisher.waiting)
        if count % _AT_ONCE == 0:
            await gateway.clock.sleep(_SLICE_SECONDS)
