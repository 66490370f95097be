from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_state import metrics, settings_offers
from agent_state.settings_offers import Order, SettingsOffers
from contracts import subjects
from fleet.events.v1 import facts_pb2 as facts
from fleet.events.v1.offers_pb2 import Offer, OfferReply
from servicekit.bus import Bus
from world.facts import uid_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from servicekit.bus import BusMessage


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a bus."""
    made = await Bus.connect(nats_url, name="test")
    yield made
    await made.close()


def order(number: int, gateway: str = "gw-1", settings_hash: bytes = b"h") -> Order:
    """Offer one agent something."""
    return Order("default", uid_of(number), 5, gateway, settings_hash, b"content " + settings_hash)


async def listen(bus: Bus, subject: str, reply: OfferReply | bytes | None = None) -> list[Offer]:
    """Hear offers, and answer them."""
    heard: list[Offer] = []

    async def take(message: BusMessage) -> None:
        heard.append(Offer.FromString(message.payload))
        if reply is not None and message.reply_to:
            await bus.publish(message.reply_to, reply if isinstance(reply, bytes) else reply.SerializeToString())

    await bus.subscribe(subject, take)
    return heard


def counted(outcome: str) -> float:
    """Read the counter."""
    found: float = metrics.SETTINGS_OFFERS.labels(outcome)._value.get()
    return found


async def test_agents_with_the_same_settings_travel_together(bus: Bus) -> None:
    """One message per gateway and hash, its content inside."""
    heard = await listen(bus, subjects.offer("gw-1"), OfferReply(gateway_id="gw-1", accepted=2))
    before = counted("taken")

    await SettingsOffers(bus).speak([order(1), order(2), order(3, settings_hash=b"i")])

    first, second = sorted(heard, key=lambda offer: offer.content_hash)
    assert first.kind == facts.OFFER_KIND_CONNECTION_SETTINGS
    assert (first.content_hash, first.content) == (b"h", b"content h")
    assert [(one.instance_uid, one.epoch) for one in first.targets] == [(uid_of(1), 5), (uid_of(2), 5)]
    assert [one.instance_uid for one in second.targets] == [uid_of(3)]
    assert counted("taken") == before + 4


async def test_whom_the_gateway_does_not_hold_all_are_asked_for(
    bus: Bus, eventually: Callable[..., Awaitable[object]]
) -> None:
    """And nobody else."""
    await listen(bus, subjects.offer("gw-1"), OfferReply(gateway_id="gw-1", accepted=1, unknown_uids=uid_of(2)))
    everyone = await listen(bus, subjects.OFFER_ALL)

    await SettingsOffers(bus).speak([order(1), order(2)])

    await eventually(lambda: len(everyone) == 1)
    assert [one.instance_uid for one in everyone[0].targets] == [uid_of(2)]
    assert everyone[0].content == b"content h"


@pytest.mark.parametrize("gateway", ["gone", "no subject *", ""])
async def test_gateway_that_is_gone_is_no_end(
    bus: Bus, eventually: Callable[..., Awaitable[object]], gateway: str
) -> None:
    """Whoever holds the agent now takes it."""
    everyone = await listen(bus, subjects.OFFER_ALL)

    await SettingsOffers(bus).speak([order(1, gateway)])

    await eventually(lambda: len(everyone) == 1)


@pytest.mark.parametrize("reply", [None, b"\xff\xff"])
async def test_no_answer_is_counted_and_left(bus: Bus, monkeypatch: pytest.MonkeyPatch, reply: bytes | None) -> None:
    """It is repeated when the agent is due again."""
    monkeypatch.setattr(settings_offers, "TIMEOUT_SECONDS", 0.2)
    await listen(bus, subjects.offer("gw-1"), reply)
    before = counted("unheard")

    await SettingsOffers(bus).speak([order(1), order(2)])

    assert counted("unheard") == before + 2


async def test_incapable_agents_are_counted(bus: Bus) -> None:
    """They are not looked for elsewhere."""
    await listen(bus, subjects.offer("gw-1"), OfferReply(gateway_id="gw-1", incapable_uids=uid_of(1)))
    before = counted("incapable")

    await SettingsOffers(bus).speak([order(1)])

    assert counted("incapable") == before + 1
