"""The index is current, whoever changes what it is made of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from package_service.offering import matcher
from package_service.offering.matcher import Matcher

from .offering_ground import PUBLIC_URL, TENANT, unsigned

if TYPE_CHECKING:
    from .offering_ground import Ground


async def test_index_is_kept_until_somebody_changes_something(ground: Ground) -> None:
    """Another replica's change is noticed by its number; another tenant's is none of ours."""
    kept = Matcher(unsigned, PUBLIC_URL)
    async with ground.pool.acquire() as connection:
        async with connection.transaction():
            first = await kept.index(connection, TENANT)
            assert await kept.index(connection, TENANT) is first
        async with connection.transaction():
            await matcher.begin_change(connection, "other")
        async with connection.transaction():
            assert await kept.index(connection, TENANT) is first
    await ground.assign()
    async with ground.pool.acquire() as connection, connection.transaction():
        second = await kept.index(connection, TENANT)

    assert len(second.rules) == len(first.rules) + 1


async def test_changes_wait_for_whoever_matches(ground: Ground) -> None:
    """And the other way round: no agent falls between."""
    kept = Matcher(unsigned, PUBLIC_URL)
    order: list[str] = []

    async def change() -> None:
        async with ground.pool.acquire() as connection, connection.transaction():
            await matcher.begin_change(connection, TENANT)
            order.append("changed")

    async with ground.pool.acquire() as connection:
        async with connection.transaction():
            await kept.index(connection, TENANT)
            changing = asyncio.ensure_future(change())
            async with ground.pool.acquire() as other, other.transaction():
                await kept.index(other, "another")
            order.append("matched")
        await changing

    assert order == ["matched", "changed"]
