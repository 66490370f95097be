from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_state.agent_store import AgentStore
from agent_state.deletion import Deletion
from agent_state.errors import AgentNotFound
from agent_state.offers import Target
from world.facts import batch, connected, described, disconnected, effective_config, health, uid_of

from .conftest import row_of
from .test_presence import RecordingOffers

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

UID = uid_of(1)
TABLES = (
    "agent",
    "agent_presence",
    "agent_description",
    "agent_health",
    "effective_config",
    "agent_connection",
)


@pytest.fixture
def offers() -> RecordingOffers:
    """Give a gateway that remembers."""
    return RecordingOffers()


@pytest.fixture
def deletion(pool: asyncpg.Pool, offers: RecordingOffers) -> Deletion:
    """Give what deletes."""
    return Deletion(pool, AgentStore(), offers)  # type: ignore[arg-type] # a recording stand-in


async def test_nothing_remains_and_the_connection_is_closed(
    pool: asyncpg.Pool, apply: Applier, deletion: Deletion, offers: RecordingOffers
) -> None:
    """All rows go, the world hears it, the gateway is asked to close."""
    await apply(batch(connected(UID, 5), described(UID, 5, 2), health(UID, 5, 3), effective_config(UID, 5, 4, b"a: 1")))

    await deletion.delete("default", UID)

    for table in TABLES:
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608 - a constant
    assert offers.closed == [Target("default", UID, 5, "gw-1")]
    assert await pool.fetchval("SELECT subject FROM outbox ORDER BY id DESC LIMIT 1") == (
        "fleet.v1.agent.deleted.default.00000000-0000-0000-0000-000000000001"
    )
    with pytest.raises(AgentNotFound):
        await deletion.delete("default", UID)


async def test_facts_under_way_do_not_bring_it_back(pool: asyncpg.Pool, apply: Applier, deletion: Deletion) -> None:
    """The end of the closed connection, told later, is nobody's."""
    await apply(batch(connected(UID, 5)))
    await deletion.delete("default", UID)

    await apply(batch(health(UID, 5, 7), disconnected(UID, 5, 8, "deleted")))

    assert await pool.fetchval("SELECT count(*) FROM agent") == 0


async def test_agent_that_comes_back_is_new(pool: asyncpg.Pool, apply: Applier, deletion: Deletion) -> None:
    """Its next connection starts without a description, so everything will be asked."""
    await apply(batch(connected(UID, 5), described(UID, 5, 2)))
    await deletion.delete("default", UID)

    await apply(batch(connected(UID, 6)))

    assert await row_of(pool, "SELECT status, name, described_epoch FROM agent") == ("online", "", 0)


async def test_other_tenants_agents_are_not_found(apply: Applier, deletion: Deletion) -> None:
    """A uid alone is not enough."""
    await apply(batch(connected(UID, 5)))

    with pytest.raises(AgentNotFound):
        await deletion.delete("other", UID)
