from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from config_service import offers
from config_service.offers import FULL_STATE, LARGE_ROUND, OfferDesk, Order
from contracts import subjects
from contracts.subjects import CONTENT_BUCKET
from fleet.events.v1 import offers_pb2
from opamp.v1 import opamp_pb2
from world.facts import uid_of

from .conftest import TENANT, FakeAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from config_service.contents import Contents
    from servicekit.bus import Bus

    from .conftest import Running

BIG = "a: " + "x" * 70_000 + "\n"


@pytest.fixture
def overrides() -> dict[str, object]:
    """Few agents per message, and no repeats that would blur the count."""
    return {"offer_chunk": 10, "redo_first_seconds": 30.0}


async def test_one_content_goes_out_in_chunks(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Each agent once, few messages, the same content in each."""
    agents = [FakeAgent(uid_of(number), {"env": "prod"}) for number in range(25)]
    await service.say(*(fact for agent in agents for fact in agent.connected()))

    async def all_known() -> bool:
        return int(await service.pool.fetchval("SELECT count(*) FROM agent_target WHERE connected")) == len(agents)

    await eventually(all_known)
    made = await service.create("a", "a: 1", {"env": "prod"})
    await eventually(lambda: sum(len(offer.targets) for offer in service.gateway.offers) >= len(agents))

    assert sorted(len(offer.targets) for offer in service.gateway.offers) == [5, 10, 10]
    assert {offer.content_hash for offer in service.gateway.offers} == {made.config_hash}
    targets = [target for offer in service.gateway.offers for target in offer.targets]
    assert {target.instance_uid for target in targets} == {agent.uid for agent in agents}
    assert {target.epoch for target in targets} == {1}
    assert len({offer.offer_id for offer in service.gateway.offers}) == 3


async def test_big_content_is_fetched_by_hash(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Too big for the message: it lies in the content store before anybody is told."""
    made = await service.create("a", BIG, {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: service.gateway.offered_to(agent.uid))

    assert service.gateway.offers[0].content == b""
    stored = await service.bus.get_object(CONTENT_BUCKET, made.config_hash.hex())
    assert stored is not None
    message = opamp_pb2.AgentRemoteConfig.FromString(stored)
    assert message.config.config_map["config.yaml"].body.decode() == BIG


async def test_missing_content_is_put_there_again(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """The gateway could not find it (an emptied NATS): stored and offered once more, under the same id."""
    service.gateway.content_missing = 1
    await service.create("a", BIG, {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())

    await eventually(lambda: len(service.gateway.offered_to(agent.uid)) == 1)


async def test_agent_unknown_to_its_gateway_is_looked_for_everywhere(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """It moved: every gateway is asked, whatever the connection."""
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    service.gateway.unknown.add(agent.uid)
    await service.create("a", "a: 1", {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: service.gateway.broadcasts)

    (target,) = service.gateway.broadcasts[0].targets
    assert (target.instance_uid, target.epoch) == (agent.uid, 0)
    assert service.gateway.broadcasts[0].content


class SlowBus:
    """A gateway that answers when told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def request(self, _subject: str, payload: bytes, *, timeout_seconds: float) -> bytes:
        """Answer that all were taken."""
        self.asked.set()
        async with asyncio.timeout(timeout_seconds):
            await self.answers.wait()
        offer = offers_pb2.Offer.FromString(payload)
        return offers_pb2.OfferReply(gateway_id="gw-1", accepted=len(offer.targets)).SerializeToString()


@pytest.mark.parametrize("agents", [LARGE_ROUND, LARGE_ROUND - 1])
async def test_other_work_gives_way_to_a_large_round(agents: int) -> None:
    """Until the gateways answered; a small round keeps nobody waiting."""
    bus = SlowBus()
    desk = OfferDesk(cast("Bus", bus), cast("Contents", None), chunk=500, inline_bytes=0)
    orders = [Order(TENANT, uid_of(number), 1, "gw-1", FULL_STATE) for number in range(agents)]
    await desk.give_way()

    async with asyncio.TaskGroup() as tasks:
        _ = tasks.create_task(desk.speak(orders))
        await bus.asked.wait()
        await asyncio.sleep(0)
        other = tasks.create_task(desk.give_way())
        await asyncio.sleep(0)
        waits = not other.done()
        bus.answers.set()

    assert waits is (agents == LARGE_ROUND)


async def test_nobody_gives_way_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that does not answer holds nothing up for long."""
    monkeypatch.setattr(offers, "PATIENCE_SECONDS", 0.01)
    bus = SlowBus()
    desk = OfferDesk(cast("Bus", bus), cast("Contents", None), chunk=LARGE_ROUND, inline_bytes=0)
    orders = [Order(TENANT, uid_of(number), 1, "gw-1", FULL_STATE) for number in range(LARGE_ROUND)]

    async with asyncio.TaskGroup() as tasks:
        speaking = tasks.create_task(desk.speak(orders))
        await bus.asked.wait()
        await desk.give_way()
        assert not speaking.done()
        bus.answers.set()


@pytest.mark.parametrize("gateway", ["gw-gone", "not a token", "a.b"])
def test_subject_of_gateway_is_one_token(gateway: str) -> None:
    """What is offered to is always under one prefix."""
    assert subjects.offer(gateway).startswith("fleet.v1.offer.")


@pytest.mark.parametrize("gateway", ["gw-gone", "not a token", "a.*"])
async def test_gateway_that_is_gone_is_replaced_by_all(
    service: Running, eventually: Callable[..., Awaitable[object]], gateway: str
) -> None:
    """Nobody listens there, or its name cannot be a subject: whoever holds the agent now takes it."""
    await service.create("a", "a: 1", {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected(gateway), gateway=gateway)

    await eventually(lambda: service.gateway.broadcasts)

    assert service.gateway.offers == []
