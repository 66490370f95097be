"""The gateway's side of the bus: what is raised, what is remembered, what starts over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.speech import UID, full, said
from nats.errors import MaxPayloadError
from nats.errors import TimeoutError as NatsTimeoutError

from fleet.events.v1 import facts_pb2, offers_pb2
from opamp_gateway import facts
from opamp_gateway import upstream as module
from opamp_gateway.errands import Errands
from opamp_gateway.errors import BatchTooLarge
from opamp_gateway.registry import Registry
from opamp_gateway.upstream import BusSink, Rivals, StreamWatch, announce_all
from servicekit.bus import Bus, NoResponders, StreamState
from servicekit.clock import FakeClock
from servicekit.errors import Unavailable


class FakeBus:
    """A bus that answers as it is told to."""

    def __init__(self) -> None:
        self.connected = True
        self.published: list[tuple[str, bytes]] = []
        self.error: Exception | None = None
        self.asked: list[tuple[str, offers_pb2.Offer]] = []
        self.reply = offers_pb2.OfferReply()
        self.created = "monday"
        self.js = SimpleNamespace(publish=self._publish)

    async def _publish(self, subject: str, payload: bytes, timeout: float) -> None:  # noqa: ASYNC109 - nats-py's word
        assert timeout
        if self.error is not None:
            raise self.error
        self.published.append((subject, payload))

    async def request(self, subject: str, payload: bytes, *, timeout_seconds: float) -> bytes:
        """Answer an offer."""
        assert timeout_seconds
        self.asked.append((subject, offers_pb2.Offer.FromString(payload)))
        if self.error is not None:
            raise self.error
        return self.reply.SerializeToString()

    async def ensure_stream(self, _: Any) -> StreamState:
        """Tell when the stream was made."""
        if self.error is not None:
            raise self.error
        return StreamState(self.created, 0)

    @property
    def bus(self) -> Bus:
        """As the code under test takes it."""
        return cast("Bus", self)


async def test_batch_is_stored_on_its_partition() -> None:
    """Or it is said that it may not be."""
    fake = FakeBus()
    sink = BusSink(fake.bus)
    await sink.publish(3, b"batch")
    assert fake.published == [("fleet.v1.facts.3", b"batch")]

    fake.error = NatsTimeoutError()
    with pytest.raises(Unavailable):
        await sink.publish(3, b"batch")
    fake.error = MaxPayloadError()
    with pytest.raises(BatchTooLarge):
        await sink.publish(3, b"batch")
    fake.connected = False
    with pytest.raises(Unavailable):
        await sink.publish(3, b"batch")


async def test_rival_is_asked_to_give_the_agent_up() -> None:
    """Whoever it keeps is alive there."""
    fake = FakeBus()
    rivals = Rivals(fake.bus, FakeClock(), 1.0)

    assert not await rivals.holds("gw-2", "acme", UID, 7)
    fake.reply.incapable_uids = UID
    assert await rivals.holds("gw-2", "acme", UID, 7)

    subject, offer = fake.asked[0]
    assert subject == "fleet.v1.offer.gw-2"
    assert (offer.tenant_id, offer.kind, offer.reason) == ("acme", facts_pb2.OFFER_KIND_CLOSE, "replaced")
    assert (offer.targets[0].instance_uid, offer.targets[0].epoch) == (UID, 7)


async def test_dead_rival_is_asked_once_for_the_whole_storm() -> None:
    """Nobody listens there: for a moment that is known. A slow one is asked again."""
    fake = FakeBus()
    clock = FakeClock()
    rivals = Rivals(fake.bus, clock, 1.0)
    fake.error = NoResponders("nobody")
    for _ in range(3):
        assert not await rivals.holds("gw-2", "acme", UID, 7)
    assert len(fake.asked) == 1
    await clock.advance(10)
    fake.error = Unavailable("slow")
    for _ in range(2):
        assert not await rivals.holds("gw-2", "acme", UID, 7)

    assert len(fake.asked) == 3


async def test_new_stream_starts_everything_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection is said again and every agent asked for everything; the same stream changes nothing."""
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    lab, fake = Lab(), FakeBus()
    socket, transport = lab.open()
    socket.data_received(said(full()))
    lab.number()
    transport.take()
    watch = StreamWatch(fake.bus, lab.gateway)
    await watch.look()
    fake.error = Unavailable("away")
    await watch.look()
    fake.error = None
    await watch.look()
    assert transport.written == b""

    fake.created = "tuesday"
    await watch.look()
    await lab.clock.advance(1)
    await lab.idle()

    assert transport.answers()[0].flags == 1
    assert lab.kinds().count(facts.CONNECTED) == 2
    assert lab.book.forgotten == [socket.session]


async def test_look_that_fails_is_repeated_until_it_succeeds() -> None:
    """JetStream may come back later than the bus: the new stream must not go unnoticed."""
    lab, fake = Lab(), FakeBus()
    socket, transport = lab.open()
    socket.data_received(said(full()))
    lab.number()
    watch = StreamWatch(fake.bus, lab.gateway)
    await watch.look()
    transport.take()
    running = asyncio.ensure_future(watch.run())
    fake.created = "tuesday"
    fake.error = Unavailable("away")
    await watch.look()
    await lab.clock.advance(60)
    assert transport.written == b""

    fake.error = None
    await lab.clock.advance(11)
    await lab.idle()

    assert transport.answers()[0].flags == 1
    running.cancel()
    await asyncio.wait([running])


async def test_start_that_finds_no_room_is_repeated() -> None:
    """With too many errands under way it is not forgotten."""
    lab, fake = Lab(), FakeBus()
    watch = StreamWatch(fake.bus, lab.gateway)
    await watch.look()
    fake.created = "tuesday"
    lab.gateway.errands = Errands(limit=0)
    running = asyncio.ensure_future(watch.run())
    await watch.look()
    await lab.clock.advance(3)
    lab.gateway.errands = Errands()
    socket, transport = lab.open()
    socket.data_received(said(full()))
    transport.take()

    await lab.clock.advance(11)
    await lab.idle()

    assert transport.answers()[0].flags == 1
    running.cancel()
    await asyncio.wait([running])


async def test_live_sessions_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """With their digests once nothing waits to be published."""
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    lab = Lab()
    socket, _ = lab.open()
    socket.data_received(said(full()))
    lab.number()
    announced: list[bool] = []
    registry = cast("Registry", SimpleNamespace(announce=lambda _, *, digests: announced.append(digests)))
    lab.gateway.errands.run(announce_all(lab.gateway, registry), "announce")
    await lab.clock.advance(1)
    await lab.idle()

    assert announced == [False]
