from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_state import metrics
from agent_state.offers import FIRST_PAUSE_SECONDS, MAX_TRIES, FullStateAsker, Offers, Target
from contracts import subjects
from fleet.events.v1 import facts_pb2 as facts
from fleet.events.v1.offers_pb2 import Offer, OfferReply
from servicekit.bus import Bus, BusMessage
from servicekit.clock import FakeClock
from world.facts import batch, connected, described, uid_of

from .test_presence import RecordingOffers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg

    from .conftest import Applier

TARGET = Target("default", uid_of(1), 5, "gw-1")


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a bus."""
    made = await Bus.connect(nats_url, name="test")
    yield made
    await made.close()


async def test_gateway_that_holds_the_agent_is_asked(bus: Bus) -> None:
    """The request goes to the one gateway, with kind, reason and connection."""
    heard: list[Offer] = []

    async def gateway(message: BusMessage) -> None:
        heard.append(Offer.FromString(message.payload))
        await bus.publish(message.reply_to, OfferReply(gateway_id="gw-1", accepted=1).SerializeToString())

    await bus.subscribe(subjects.offer("gw-1"), gateway)
    await Offers(bus).close([TARGET])

    (offer,) = heard
    assert (offer.kind, offer.reason, offer.tenant_id) == (facts.OFFER_KIND_CLOSE, "deleted", "default")
    assert (offer.targets[0].instance_uid, offer.targets[0].epoch) == (uid_of(1), 5)


async def test_when_the_gateway_is_gone_all_are_asked(bus: Bus, eventually: Callable[..., Awaitable[object]]) -> None:
    """Whoever holds the agent now hears it; nobody answering is no error."""
    heard: list[Offer] = []

    async def everyone(message: BusMessage) -> None:
        heard.append(Offer.FromString(message.payload))

    await bus.subscribe(subjects.OFFER_ALL, everyone)
    await Offers(bus).ask_full_state([TARGET])

    await eventually(lambda: len(heard) == 1)
    assert heard[0].kind == facts.OFFER_KIND_REPORT_FULL_STATE


async def test_unreadable_answer_is_no_answer(bus: Bus, eventually: Callable[..., Awaitable[object]]) -> None:
    """A gateway that answers in bytes that mean nothing is counted, and all are asked instead."""
    heard: list[Offer] = []

    async def gateway(message: BusMessage) -> None:
        await bus.publish(message.reply_to, b"\xff\xff")

    async def everyone(message: BusMessage) -> None:
        heard.append(Offer.FromString(message.payload))

    await bus.subscribe(subjects.offer("gw-1"), gateway)
    await bus.subscribe(subjects.OFFER_ALL, everyone)
    unreadable = metrics.OFFERS.labels("close", "unreadable")
    before = unreadable._value.get()

    await Offers(bus).close([TARGET])

    await eventually(lambda: len(heard) == 1)
    assert unreadable._value.get() == before + 1


@pytest.mark.parametrize("gateway_id", ["gw 1", "gw-1\r\nPING", "*", ">", "gw\x00"])
async def test_gateway_that_cannot_be_addressed_is_passed_over(
    bus: Bus, gateway_id: str, eventually: Callable[..., Awaitable[object]]
) -> None:
    """A name that does not fit into a subject goes into none: all are asked, and the connection stays whole."""
    heard: list[Offer] = []

    async def everyone(message: BusMessage) -> None:
        heard.append(Offer.FromString(message.payload))

    await bus.subscribe("fleet.v1.offer.>", everyone)
    await Offers(bus).close([Target("default", uid_of(1), 5, gateway_id)])

    await eventually(lambda: len(heard) == 1)
    assert bus.generation == 0


async def test_agents_without_description_are_asked_ever_more_patiently(pool: asyncpg.Pool, apply: Applier) -> None:
    """Those who said nothing are asked, again after a growing pause, and left alone in the end."""
    await apply(batch(connected(uid_of(1), 5), connected(uid_of(2), 6), described(uid_of(2), 6, 2)))
    offers, clock = RecordingOffers(), FakeClock()
    asker = FullStateAsker(pool, offers, clock)  # type: ignore[arg-type] # a recording stand-in
    assert await asker.look() == 0, "its description may be on the way"

    await pool.execute("UPDATE agent SET updated_at = now() - interval '2 s'")
    assert await asker.look() == 1
    assert await asker.look() == 0
    assert offers.asked == [TARGET]
    for number in range(MAX_TRIES + 3):
        await clock.advance(FIRST_PAUSE_SECONDS * 2**number)
        await asker.look()
    assert len(offers.asked) == MAX_TRIES


async def test_described_or_offline_agents_are_left_alone(pool: asyncpg.Pool, apply: Applier) -> None:
    """Nothing is asked of whom we know, or cannot reach."""
    await apply(batch(connected(uid_of(1), 5), described(uid_of(1), 5, 2)))
    await apply(batch(connected(uid_of(2), 6)))
    await pool.execute(
        "UPDATE agent SET updated_at = now() - interval '2 s', lost_epoch = CASE epoch WHEN 6 THEN 6 ELSE 0 END"
    )

    assert await FullStateAsker(pool, RecordingOffers(), FakeClock()).look() == 0  # type: ignore[arg-type] # see above
