from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from agent_state.component_desk import FIRST_PAUSE_SECONDS, MAX_TRIES, ComponentDesk
from agent_state.component_store import ComponentStore
from agent_state.offers import Offers, Target
from contracts import subjects
from fleet.events.v1 import facts_pb2 as facts
from fleet.events.v1.offers_pb2 import Offer, OfferReply
from servicekit.clock import FakeClock
from world.facts import batch, uid_of

from .test_component_store import OTHER, UID, arrives, says
from .test_presence import RecordingOffers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import asyncpg

    from servicekit.bus import BusMessage

    from .conftest import Applier, Running


class Asked(RecordingOffers):
    """Notes whom the desk asks."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[Target] = []

    async def ask_components(self, targets: Iterable[Target]) -> None:
        """Note them."""
        self.targets.extend(targets)


@pytest.fixture
def offers() -> Asked:
    """Give what notes who was asked."""
    return Asked()


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that stands."""
    return FakeClock()


@pytest.fixture
def desk(pool: asyncpg.Pool, offers: Asked, clock: FakeClock) -> ComponentDesk:
    """Give a desk."""
    return ComponentDesk(pool, ComponentStore(1 << 20), cast("Offers", offers), clock)


async def test_one_agent_is_asked_for_an_unknown_list(apply: Applier, desk: ComponentDesk, offers: Asked) -> None:
    """However many have it, and once (S-189)."""
    await apply(batch(*(arrives(uid_of(n)) for n in range(1, 6)), *(says(uid_of(n), 2) for n in range(1, 6))))

    desk.hint(apply.mentions)
    assert await desk.follow_hints() == 1
    desk.hint(apply.mentions)
    assert await desk.follow_hints() == 0

    assert len(offers.targets) == 1
    assert (offers.targets[0].epoch, offers.targets[0].gateway_id) == (5, "gw-1")


async def test_known_list_is_not_asked_for(
    pool: asyncpg.Pool, apply: Applier, desk: ComponentDesk, offers: Asked
) -> None:
    """The second look does not even go to the database."""
    await apply(batch(arrives(UID), says(UID, 2, "a"), arrives(OTHER), says(OTHER, 2)))
    desk.hint(apply.mentions)
    assert await desk.follow_hints() == 0

    await pool.execute("DELETE FROM component_list")
    desk.hint(apply.mentions)
    assert await desk.follow_hints() == 0
    assert offers.targets == []


async def test_silence_is_met_with_patience_and_then_none(
    apply: Applier, desk: ComponentDesk, offers: Asked, clock: FakeClock
) -> None:
    """An agent that never answers is asked a few times, ever more rarely."""
    await apply(batch(arrives(UID), says(UID, 2)))

    for tries in range(1, MAX_TRIES + 2):
        desk.hint(apply.mentions)
        await desk.follow_hints()
        assert len(offers.targets) == min(tries, MAX_TRIES)
        await clock.advance(FIRST_PAUSE_SECONDS * 2**tries)


async def test_gateway_is_asked_and_the_list_is_shown(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """A hash nobody knows leads to the flag at the agent's gateway, of its own accord."""
    heard: list[Offer] = []

    async def gateway(message: BusMessage) -> None:
        heard.append(Offer.FromString(message.payload))
        await service.bus.publish(message.reply_to, OfferReply(gateway_id="gw-1", accepted=1).SerializeToString())

    await service.bus.subscribe(subjects.offer("gw-1"), gateway)
    await service.say(arrives(UID), says(UID, 2))

    def is_asked() -> bool:
        kinds = [offer.kind for offer in heard if UID in {target.instance_uid for target in offer.targets}]
        return facts.OFFER_KIND_REPORT_AVAILABLE_COMPONENTS in kinds

    await eventually(is_asked)
