"""Speaking to gateways: grouped, repeated to all when nobody knows where an agent is, never raising."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts import subjects
from package_service.offering import contents as lists
from package_service.offering import packages
from package_service.offering.offers import EVERY_GATEWAY, FULL_STATE, PACKAGES, Order
from world import facts as say
from world.eventually import wait_until

from .offering_ground import PUBLIC_URL, TENANT, Gateway, Ground

if TYPE_CHECKING:
    import asyncpg

    from servicekit.bus import Bus


async def content(ground: Ground) -> bytes:
    """Make a content and return its hash."""
    message = packages.available([], PUBLIC_URL)
    async with ground.pool.acquire() as connection:
        await lists.keep(connection, TENANT, {message.all_packages_hash: message.SerializeToString()})
        now = datetime.now(UTC)
        made = await ground.contents.make(connection, TENANT, [message.all_packages_hash], now)
    return made[message.all_packages_hash]


def order(number: int, content_hash: bytes, *, gateway_id: str = say.GATEWAY, kind: int = PACKAGES) -> Order:
    """Order something for an agent."""
    return Order(TENANT, say.uid_of(number), 3, gateway_id, kind, content_hash)


async def test_one_message_for_a_gateway_and_a_content(ground: Ground, gateway: Gateway) -> None:
    """Targets with their connection; a question for the full state has no content."""
    content_hash = await content(ground)
    await ground.desk.speak([*(order(number, content_hash) for number in range(5)), order(9, b"", kind=FULL_STATE)])

    by_kind = {offer.kind: offer for offer in gateway.offers}
    assert len(gateway.offers) == 2
    assert [target.epoch for target in by_kind[PACKAGES].targets] == [3] * 5
    assert by_kind[PACKAGES].content_hash == content_hash
    assert not by_kind[FULL_STATE].content


async def test_unknown_agents_are_looked_for_everywhere(ground: Ground, gateway: Gateway) -> None:
    """Also when the gateway itself is gone, or nobody knows it."""
    content_hash = await content(ground)
    gateway.unknown.add(say.uid_of(2))
    await ground.desk.speak(
        [
            order(1, content_hash),
            order(2, content_hash),
            order(3, content_hash, gateway_id="gone"),
            order(4, content_hash, gateway_id=EVERY_GATEWAY),
            order(5, content_hash, gateway_id="*.>"),
        ]
    )

    async def all_said() -> bool:
        return sorted(target.instance_uid[-1] for offer in gateway.broadcasts for target in offer.targets) == [
            2,
            3,
            4,
            5,
        ]

    await wait_until(all_said, within=30)
    assert all(not target.epoch for offer in gateway.broadcasts for target in offer.targets)


async def test_large_content_is_put_where_gateways_fetch_it(pool: asyncpg.Pool, bus: Bus, gateway: Gateway) -> None:
    """By its hash; put again when a gateway misses it, and before a broadcast, which nobody answers."""
    ground = Ground(pool, bus, inline=0)
    content_hash = await content(ground)
    gateway.content_missing = 1
    await ground.desk.speak([order(1, content_hash)])
    assert [offer.content for offer in gateway.offers] == [b""]
    stored = await bus.get_object(subjects.CONTENT_BUCKET, content_hash.hex())
    assert stored == ground.contents.get(content_hash)

    await ground.desk.speak([order(2, content_hash, gateway_id=EVERY_GATEWAY)])

    async def said() -> bool:
        return bool(gateway.broadcasts)

    await wait_until(said, within=30)
    assert gateway.broadcasts[0].content_hash == content_hash


async def test_what_goes_wrong_is_left_to_the_repeat(ground: Ground, gateway: Gateway) -> None:
    """A content nobody remembers, an answer that is none, a bus that is away: nothing is raised."""
    await ground.desk.speak([order(1, b"x" * 32)])
    assert gateway.offers == []
    content_hash = await content(ground)

    async def nonsense(message: object) -> None:
        await ground.bus.publish(message.reply_to, b"\xff\xff")  # type: ignore[attr-defined] # a BusMessage

    await ground.bus.subscribe(subjects.offer("mad"), nonsense)
    await ground.desk.speak([order(1, content_hash, gateway_id="mad")])
    await ground.bus.close()
    await ground.desk.speak([order(1, content_hash)])


async def test_newest_order_for_an_agent_counts(ground: Ground, gateway: Gateway) -> None:
    """What waited is replaced before it is spoken."""
    content_hash = await content(ground)
    ground.desk.put([order(1, b"x" * 32)])
    ground.desk.put([order(1, content_hash)])
    running = asyncio.ensure_future(ground.desk.run())
    await gateway.list_for(say.uid_of(1), 1)
    running.cancel()

    assert [offer.content_hash for offer in gateway.offers] == [content_hash]
