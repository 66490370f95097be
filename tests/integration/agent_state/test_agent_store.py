from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent_state.agent_store import AgentStore
from agent_state.folding import fold
from world.facts import batch, config_status, connected, described, health, uid_of

from .conftest import row_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

UID = uid_of(1)


async def test_nothing_new_is_nothing_written(pool: asyncpg.Pool, apply: Applier) -> None:
    """A repeated batch does not even touch the rows."""
    said = batch(connected(UID, 5), described(UID, 5, 2), health(UID, 5, 3), config_status(UID, 5, 4, "APPLIED"))
    await apply(said)
    before = await row_of(pool, "SELECT xmin::text, ctid::text FROM agent")

    await apply(said)

    assert await row_of(pool, "SELECT xmin::text, ctid::text FROM agent") == before


async def test_change_tells_before_and_after(pool: asyncpg.Pool) -> None:
    """The statement that writes also says what it found; two writers cannot both see the same transition."""
    store = AgentStore()
    async with pool.acquire() as connection, connection.transaction():
        now, _ = await store.begin(connection, [("default", UID)])
        (first,) = await store.merge(connection, fold([batch(connected(UID, 5))], now).deltas, {})
        (second,) = await store.merge(connection, fold([batch(health(UID, 5, 2, "ill"))], now).deltas, {})

    assert first.before is None
    assert second.before is not None
    assert (second.before.status, second.after.status) == ("online", "error")


async def test_writers_of_one_partition_wait_for_each_other(pool: asyncpg.Pool) -> None:
    """A deletion cannot fall into the middle of a batch."""
    store = AgentStore()
    async with pool.acquire() as holder, pool.acquire() as other:
        async with holder.transaction():
            await store.begin(holder, [("default", UID)])
            async with other.transaction():
                await other.execute("SET LOCAL lock_timeout = '100ms'")
                with pytest.raises(Exception, match="lock timeout"):
                    await store.begin(other, [("default", UID)])
        async with asyncio.timeout(60), other.transaction():
            await store.begin(other, [("default", UID)])
