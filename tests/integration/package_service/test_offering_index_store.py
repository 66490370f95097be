"""What agents are matched against, read from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from package_service import file_store
from package_service.offering import choices, index_store
from package_service.offering.assignment import Wish
from package_service.offering.machine import Machine
from world import facts as say

from .offering_ground import PUBLIC_URL, TENANT, unsigned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicekit.postgres import Connection

    from .offering_ground import Ground

LINUX = Machine("linux", "amd64")


async def test_enabled_assignments_and_their_active_files(ground: Ground) -> None:
    """The oldest first; of other packages nothing is read."""
    one = await ground.assign("one", version="latest-1")
    two = await ground.assign("two", groups=("web",), priority=4)
    await ground.assign("off", enabled=False)
    await ground.publish("1.0.0")
    off = await ground.publish("2.0.0")
    await ground.publish("1.0.0", name="other")
    async with ground.pool.acquire() as connection:
        await file_store.set_active(connection, TENANT, off.file_id, active=False)
        index = await index_store.load(connection, TENANT, unsigned, PUBLIC_URL)

    assert [(rule.assignment_id, rule.age) for rule in index.rules] == [(one.assignment_id, 0), (two.assignment_id, 1)]
    assert index.rules[0].wish == Wish(behind=1)
    assert (index.rules[1].groups, index.rules[1].priority) == (frozenset({"web"}), 4)
    chosen = index.choose("collector", LINUX, "stable", Wish()).item
    assert chosen is not None
    assert chosen.entry.version == "1.0.0"
    assert index.choose("other", LINUX, "stable", Wish()).item is None


async def test_damaged_refused_and_unvetted_files_are_not_offerable(ground: Ground) -> None:
    """Each says why; only what may become good is to be vetted."""
    await ground.assign()
    damaged, refused = await ground.publish("3.0.0"), await ground.publish("2.0.0", vetted=False)
    waiting = await ground.publish("1.0.0", vetted=False)
    async with ground.pool.acquire() as connection:
        await file_store.mark_damaged(connection, damaged.sha256)
        await connection.execute("UPDATE package_file SET vet_refusal = 'unsigned' WHERE file_id = $1", refused.file_id)
        index = await index_store.load(connection, TENANT, unsigned, PUBLIC_URL)
    choice = index.choose("collector", LINUX, "stable", Wish())

    assert choice.item is None
    assert [item.entry.file_id for item in choice.unvetted] == [waiting.file_id]
    assert index.choose("collector", LINUX, "stable", Wish("3.0.0")).reason == "the stored file is damaged"
    assert index.choose("collector", LINUX, "stable", Wish("2.0.0")).reason == "unsigned"


async def test_signature_enters_what_is_offered(ground: Ground) -> None:
    """Only those of files that may be offered are asked for."""
    await ground.assign()
    good, _ = await ground.publish("1.0.0"), await ground.publish("2.0.0", vetted=False)
    asked: list[UUID] = []

    async def signed(_: Connection, __: str, file_ids: Sequence[UUID]) -> dict[UUID, bytes]:
        asked.extend(file_ids)
        return {good.file_id: b"signature"}

    async with ground.pool.acquire() as connection:
        bare = await index_store.load(connection, TENANT, unsigned, PUBLIC_URL)
        index = await index_store.load(connection, TENANT, signed, PUBLIC_URL)
    one, other = (found.choose("collector", LINUX, "stable", Wish()).item for found in (bare, index))

    assert asked == [good.file_id]
    assert one is not None
    assert other is not None
    assert (one.entry.signature, other.entry.signature) == (b"", b"signature")
    assert one.package_hash != other.package_hash


async def test_wishes_for_single_agents(ground: Ground) -> None:
    """Lists that name them and choices made for them."""
    listed, chosen, other = say.uid_of(1), say.uid_of(2), say.uid_of(3)
    assignment = await ground.assign(agents=(listed,))
    async with ground.pool.acquire() as connection, connection.transaction():
        await choices.set_many(connection, TENANT, assignment.assignment_id, [chosen], "2.0.0")
        found = await index_store.wishes_of(connection, TENANT, [listed, chosen, other])

    assert found[listed].listed == {assignment.assignment_id}
    assert found[chosen].choices == {assignment.assignment_id: "2.0.0"}
    assert other not in found


async def test_wanted_once(ground: Ground) -> None:
    """Files that are vetted already, or wanted already, stay as they are."""
    vetted, waiting = await ground.publish("1.0.0"), await ground.publish("2.0.0", vetted=False)
    async with ground.pool.acquire() as connection:
        await index_store.want(connection, TENANT, [vetted.file_id, waiting.file_id])
        first = await connection.fetchval("SELECT wanted_at FROM package_file WHERE file_id = $1", waiting.file_id)
        await index_store.want(connection, TENANT, [waiting.file_id])
        await index_store.want(connection, TENANT, [])
        rows = await connection.fetch("SELECT file_id, wanted_at FROM package_file ORDER BY version")

    assert [(row["file_id"], row["wanted_at"]) for row in rows] == [(vetted.file_id, None), (waiting.file_id, first)]
    assert first is not None
