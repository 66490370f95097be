"""Lists become contents: the same for all, fresh each day, there again when lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from contracts import subjects
from opamp.v1 import opamp_pb2 as opamp
from package_service.offering import contents as lists
from package_service.offering import packages
from package_service.offering.contents import Contents
from package_service.offering.packages import Entry

from .offering_ground import PUBLIC_URL, TENANT, Ground

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from package_service.file_store import File
    from servicekit.bus import Bus


def entry(file: File) -> Entry:
    """Write a file as lists have it."""
    return Entry(file.name, "top_level", file.version, file.file_id, file.sha256)


def daily(tenant_id: str, file_id: UUID, now: datetime) -> str:
    """Write a ticket that changes at midnight."""
    return f"{tenant_id} {file_id.int} {now.date()}"


def day(number: int) -> datetime:
    """Tell noon of a day."""
    return datetime(2026, 11, number, 12, tzinfo=UTC)


async def test_content_is_the_same_all_day_and_fresh_the_next(pool: asyncpg.Pool, bus: Bus) -> None:
    """The list and its hashes stay; only tickets are new."""
    file = await Ground(pool, bus).publish("1.0.0")
    message = packages.available([entry(file)], PUBLIC_URL)
    whole = message.all_packages_hash
    contents = Contents(bus, daily)
    async with pool.acquire() as connection:
        await lists.keep(connection, TENANT, {whole: message.SerializeToString()})
        await lists.keep(connection, TENANT, {whole: message.SerializeToString()})
        today = await contents.make(connection, TENANT, [whole, whole], day(20))
        again = await Contents(bus, daily).make(connection, TENANT, [whole], day(20))
        tomorrow = await contents.make(connection, TENANT, [whole], day(21))
        assert await contents.make(connection, "other", [whole], day(20)) == {}

    assert today == again
    assert today[whole] != tomorrow[whole]
    sent = opamp.PackagesAvailable.FromString(contents.get(tomorrow[whole]) or b"")
    assert sent.all_packages_hash == whole
    assert sent.packages["collector"].file.headers.headers[0].value == f"Bearer default {file.file_id.int} 2026-11-21"


async def test_content_is_stored_once_unless_asked_again(pool: asyncpg.Pool, bus: Bus) -> None:
    """The store may lose everything; after an outage nothing is believed to be there."""
    message = packages.available([], PUBLIC_URL)
    contents = Contents(bus, daily)
    async with pool.acquire() as connection:
        await lists.keep(connection, TENANT, {message.all_packages_hash: message.SerializeToString()})
        made = await contents.make(connection, TENANT, [message.all_packages_hash], day(20))
    content_hash = made[message.all_packages_hash]
    await contents.store(content_hash)
    await bus.put_object(subjects.CONTENT_BUCKET, content_hash.hex(), b"lost")
    await contents.store(content_hash)
    assert await bus.get_object(subjects.CONTENT_BUCKET, content_hash.hex()) == b"lost"
    await contents.store(content_hash, again=True)

    assert await bus.get_object(subjects.CONTENT_BUCKET, content_hash.hex()) == contents.get(content_hash)
    await contents.store(b"n" * 32)
    assert await bus.get_object(subjects.CONTENT_BUCKET, (b"n" * 32).hex()) is None


@pytest.mark.parametrize("change", [{"vetted": False}, {"damaged": True}, {"active": False}])
async def test_list_is_not_made_while_a_file_of_it_may_not_be_offered(
    pool: asyncpg.Pool, bus: Bus, change: dict[str, bool]
) -> None:
    """Whoever should have it; other lists are made, and it is too once every file is right again."""
    ground = Ground(pool, bus)
    good, bad = await ground.publish("1.0.0"), await ground.publish("2.0.0", name="plugin")
    both, one = (packages.available(entries, PUBLIC_URL) for entries in ([entry(good), entry(bad)], [entry(good)]))
    kept = {each.all_packages_hash: each.SerializeToString() for each in (both, one)}
    async with pool.acquire() as connection:
        await lists.keep(connection, TENANT, kept)
        await ground.vet(bad, **change)
        assert (await ground.contents.make(connection, TENANT, kept, day(20))).keys() == {one.all_packages_hash}
        await ground.vet(bad)

        assert (await ground.contents.make(connection, TENANT, kept, day(20))).keys() == kept.keys()
