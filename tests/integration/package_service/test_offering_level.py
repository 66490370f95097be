"""The comparison that heals everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service import metrics
from package_service.offering.level import Leveller
from servicekit.clock import SystemClock
from world import facts as say

from .offering_ground import Agent

if TYPE_CHECKING:
    from .offering_ground import Gateway, Ground


def leveller(ground: Ground) -> Leveller:
    """Make one that is moved by hand."""
    return Leveller(
        ground.pool,
        ground.bus,
        ground.distribution,
        ground.desk,
        SystemClock(),
        interval_seconds=60,
        retention_days=1,
    )


async def test_who_drifted_unnoticed_is_found(ground: Ground, gateway: Gateway) -> None:
    """An agent that is there, has not its list, and waits for nothing: due. Who has it is left alone."""
    drifting, fine = Agent(say.uid_of(1)), Agent(say.uid_of(2))
    await ground.publish("1.0.0")
    await ground.assign()
    await ground.hear(*drifting.connected(), *fine.connected())
    _, available = await gateway.list_for(fine.uid, 1)
    await ground.hear(fine.tells(available))
    await ground.pool.execute("UPDATE package_target SET due_at = NULL, retry_at = NULL")

    assert await leveller(ground).level() == 1
    await ground.look()

    await gateway.list_for(drifting.uid, 2)
    assert len(gateway.lists_for(fine.uid)) == 1


async def test_outage_of_the_bus_makes_offers_due(ground: Ground, gateway: Gateway) -> None:
    """What was recorded as offered may never have been heard."""
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.assign()
    level = leveller(ground)
    await ground.hear(*agent.connected())
    await gateway.list_for(agent.uid, 1)
    assert await level.level() == 0
    ground.bus.generation += 1

    assert await level.level() == 1
    await ground.look()
    await gateway.list_for(agent.uid, 2)


async def test_undescribed_agents_are_asked_at_the_second_look(ground: Ground, gateway: Gateway) -> None:
    """Their description may have been lost; at the first look it may only be on its way."""
    agent = Agent(say.uid_of(1))
    await ground.hear(agent.connected()[0])
    level = leveller(ground)
    await level.level()
    await ground.speak()
    assert gateway.offers == []
    await level.level()
    await ground.speak()

    assert [offer.kind for offer in gateway.offers] == [6]


async def test_figures_and_pruning(ground: Ground, gateway: Gateway) -> None:
    """Gauges tell states; lists nobody should have and old tries go, what is in use stays."""
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0")
    await ground.assign()
    await ground.hear(*agent.connected())
    content_hash, _ = await gateway.list_for(agent.uid, 1)
    await ground.hear(agent.delivered(content_hash))
    await ground.pool.execute("UPDATE package_list SET created_at = now() - interval '2 days'")
    await ground.pool.execute("UPDATE package_attempt SET created_at = now() - interval '2 days'")
    await ground.pool.execute(
        "INSERT INTO package_list (tenant_id, list_hash, body, created_at) "
        "VALUES ('default', sha256('x'), '', now() - interval '2 days')"
    )
    level = leveller(ground)
    await level.level()
    await level.prune()

    assert metrics.AGENT_PACKAGES.labels("offered")._value.get() == 1
    assert metrics.ASSIGNMENTS._value.get() == 1
    assert await ground.pool.fetchval("SELECT count(*) FROM package_list") == 1
    assert await ground.ledger(agent.uid) == [("1.0.0", "offered", 1)]
