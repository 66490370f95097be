from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from config_service import configuration_store
from config_service.document import Document
from config_service.matcher import Matcher

if TYPE_CHECKING:
    import asyncpg

    from servicekit.postgres import Connection

TENANT = "default"


async def write(connection: Connection, matcher: Matcher, name: str, version: int = 1) -> None:
    """Write a configuration inside a change."""
    document = Document(raw_config="a: 1", selector={"name": name})
    await configuration_store.add_version(connection, TENANT, name, version, document, author="", comment="")
    await matcher.index_of_change(connection, TENANT)


async def test_index_follows_changes_of_other_replicas(pool: asyncpg.Pool) -> None:
    """No notification: the generation tells."""
    mine, theirs = Matcher(), Matcher()
    async with pool.acquire() as connection:
        async with connection.transaction():
            assert (await mine.index(connection, TENANT)).all() == []
        async with connection.transaction():
            await theirs.begin_change(connection, TENANT)
            await write(connection, theirs, "a")
        async with connection.transaction():
            first = await mine.index(connection, TENANT)
            assert [item.name for item in first.all()] == ["a"]
        async with connection.transaction():
            assert await mine.index(connection, TENANT) is first, "an unchanged index is not read again"
        assert await mine.glance(connection, TENANT) is first


async def test_change_that_is_rolled_back_leaves_no_trace(pool: asyncpg.Pool) -> None:
    """A dry run, or a conflict found late."""
    matcher = Matcher()
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await matcher.begin_change(connection, TENANT)
        await write(connection, matcher, "a")
        await transaction.rollback()
        async with connection.transaction():
            assert (await matcher.index(connection, TENANT)).all() == []


async def test_change_waits_for_matching_and_matching_for_change(pool: asyncpg.Pool) -> None:
    """So an agent described beside a change is seen by one or the other; tenants do not wait for each other."""
    matcher = Matcher()
    async with pool.acquire() as describing, pool.acquire() as changing, pool.acquire() as other:
        describe = describing.transaction()
        await describe.start()
        await matcher.index(describing, TENANT)
        change = changing.transaction()
        await change.start()
        waiting = asyncio.ensure_future(matcher.begin_change(changing, TENANT))
        async with other.transaction():
            await matcher.begin_change(other, "another")
        assert not waiting.done()

        await describe.commit()
        await asyncio.wait_for(waiting, 30)
        await write(changing, matcher, "a")
        late = asyncio.ensure_future(indexed(matcher, describing))
        await asyncio.wait([late], timeout=0.2)
        assert not late.done()
        await change.commit()

        assert await asyncio.wait_for(late, 30) == ["a"]


async def indexed(matcher: Matcher, connection: Connection) -> list[str]:
    """Match in a transaction of its own."""
    async with connection.transaction():
        return [item.name for item in (await matcher.index(connection, TENANT)).all()]


async def test_no_agent_falls_between_describing_and_changing(pool: asyncpg.Pool) -> None:
    """Agents are written while configurations change: afterwards each knows the newest."""
    async with pool.acquire() as connection:
        await connection.execute("CREATE TABLE seen (agent int PRIMARY KEY, version bigint)")
    matcher = Matcher()

    async def change(version: int) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await matcher.begin_change(connection, TENANT)
            await write(connection, matcher, "a", version)
            await connection.execute("UPDATE seen SET version = $1", version)

    async def describe(agent: int) -> None:
        async with pool.acquire() as connection, connection.transaction():
            found = (await matcher.index(connection, TENANT)).get("a")
            await asyncio.sleep(0)
            await connection.execute("INSERT INTO seen VALUES ($1, $2)", agent, found.version if found else 0)

    async def change_often() -> None:
        for version in range(1, 11):
            await change(version)

    await asyncio.gather(change_often(), *(describe(agent) for agent in range(60)))

    assert {row["version"] for row in await pool.fetch("SELECT version FROM seen")} == {10}
