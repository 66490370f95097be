from __future__ import annotations

from typing import TYPE_CHECKING, cast

from config_service.consumer import FactConsumer, clean
from config_service.distribution import Distribution
from config_service.matcher import Matcher
from config_service.reconcile import DEFAULT_POLICY
from contracts import streams, subjects
from fleet.events.v1 import agent_pb2, facts_pb2
from world import facts as say
from world.facts import uid_of

from .conftest import FakeAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    from config_service.contents import Contents
    from config_service.offers import OfferDesk
    from config_service.registry import RegistryDesk

    from .conftest import Running


async def row(service: Running, uid: bytes) -> dict[str, object]:
    """Read the row of an agent."""
    found = await service.pool.fetchrow("SELECT * FROM agent_target WHERE uid = $1", uid)
    return dict(found) if found else {}


async def test_labels_are_all_attributes_without_what_cannot_be_stored(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Identifying attributes win; a NUL in a label is no reason to lose the agent."""
    uid = uid_of(1)
    await service.say(
        say.connected(uid, 1),
        say.described(uid, 1, 2, {"env": "prod", "a\x00b": "c\x00d"}, {"env": "x", "os": "linux"}),
    )

    async def has_labels() -> bool:
        return (await row(service, uid)).get("labels") == {"env": "prod", "ab": "cd", "os": "linux"}

    await eventually(has_labels)


async def test_facts_nobody_could_have_said_are_left_out(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """A short id or an impossible tenant does not stop the others of the batch."""
    good = FakeAgent(uid_of(16), {"env": "prod"})
    short = say.connected(b"short", 1)
    other = say.connected(uid_of(32), 1, tenant="No Tenant")
    payload = say.batch(short, other, *good.connected()).SerializeToString()
    await service.bus.js.publish(subjects.facts(subjects.partition_of(good.uid)), payload, stream=streams.FACTS.name)

    async def is_known() -> bool:
        return bool(await row(service, good.uid))

    await eventually(is_known)
    assert await service.pool.fetchval("SELECT count(*) FROM agent_target") == 1
    assert await service.pool.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_described_without_description_changes_only_capabilities(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Absent is unchanged; facts of other concerns are passed over; unknown high bits are kept."""
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    only_capabilities = facts_pb2.Described(capabilities=(1 << 63) | 2)
    await service.say(
        *agent.connected(),
        say.fact(agent.uid, 1, 3, described=only_capabilities),
        say.fact(agent.uid, 1, 4, custom_message_received=facts_pb2.CustomMessageReceived()),
        say.fact(agent.uid, 1, 5, offer_delivered=facts_pb2.OfferDelivered(kind=facts_pb2.OFFER_KIND_COMMAND)),
    )

    async def is_changed() -> bool:
        found = await row(service, agent.uid)
        labels = found.get("labels")
        return found.get("capabilities") == 2 - (1 << 63) and isinstance(labels, dict) and labels["env"] == "prod"

    await eventually(is_changed)


async def test_labels_are_bounded(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """As many and as long as agent-state keeps, so that both match the same agents."""
    uid = uid_of(1)
    many = {f"label-{number}": "x" * 2000 for number in range(300)}
    await service.say(say.connected(uid, 1), say.described(uid, 1, 2, many, {}))

    async def is_bounded() -> bool:
        labels = (await row(service, uid)).get("labels")
        return isinstance(labels, dict) and len(labels) == 256 and {len(text) for text in labels.values()} == {1024}

    await eventually(is_bounded)


async def test_gateway_is_the_one_that_speaks(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """A polling agent was balanced elsewhere: the batch of a higher turn tells where."""
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await service.say(say.health(agent.uid, 1, 1 << 32 | 1, ""), gateway="gw-other")

    async def is_there() -> bool:
        return (await row(service, agent.uid)).get("gateway_id") == "gw-other"

    await eventually(is_there)


async def test_deleted_agent_is_forgotten_unless_it_came_back(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """agent-state says it is gone: row and assignment go; a newer connection stays."""
    gone, back = FakeAgent(uid_of(1), {"env": "prod"}), FakeAgent(uid_of(2), {"env": "prod"}, epoch=9)
    await service.say(*gone.connected(), *back.connected())

    async def both_known() -> bool:
        return bool(await row(service, gone.uid) and await row(service, back.uid))

    await eventually(both_known)
    await service.bus.ensure_stream(streams.EVENTS)
    for agent in (gone, back):
        event = agent_pb2.AgentEvent(
            tenant_id="default", instance_uid=agent.uid, epoch=5, deleted=agent_pb2.AgentDeleted()
        )
        await service.bus.js.publish(
            subjects.agent_event("deleted", "default", agent.uid), event.SerializeToString(), stream=streams.EVENTS.name
        )

    async def is_forgotten() -> bool:
        return not await row(service, gone.uid)

    await eventually(is_forgotten)
    assert await row(service, back.uid)


async def at_once() -> None:
    """Give way to nobody."""


async def test_last_word_of_a_deleted_agent_does_not_bring_it_back(pool: asyncpg.Pool) -> None:
    """A connection that ended proves nobody: no row of an agent that never comes again."""
    consumer = FactConsumer(
        Distribution(Matcher(), DEFAULT_POLICY, cast("OfferDesk", None), cast("RegistryDesk", None)),
        cast("Contents", None),
        at_once,
    )
    ghost, alive = uid_of(1), uid_of(2)
    batch = say.batch(say.disconnected(ghost, 3, 9), say.connected(alive, 4), say.disconnected(alive, 4, 2))
    async with pool.acquire() as connection, connection.transaction():
        assert await consumer.apply(connection, [batch]) is None

    assert [row["uid"] for row in await pool.fetch("SELECT uid FROM agent_target")] == [alive]


def test_clean_takes_only_nul_away() -> None:
    """Everything else is text as it came."""
    assert clean("a\x00b\x00") == "ab"
    assert clean("zażółć\n") == "zażółć\n"
