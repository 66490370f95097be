"""Assignments in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fleet.api.v1 import page_pb2
from package_service.offering import assignment_store
from package_service.offering.assignment import Terms
from servicekit.paging import cut, page_of
from world import facts as say

from .offering_ground import TENANT, Agent

if TYPE_CHECKING:
    from .offering_ground import Ground

TERMS = Terms("collector", "beta", "latest-1", {"env": "prod"}, ("web",), (say.uid_of(1), say.uid_of(2)), 5)


async def test_everything_written_is_read_again(ground: Ground) -> None:
    """Every field; another tenant sees nothing."""
    async with ground.pool.acquire() as connection, connection.transaction():
        made = await assignment_store.add(connection, TENANT, "all", TERMS, "ann")
        found = await assignment_store.get(connection, TENANT, made)
        assert found is not None
        assert (found.name, found.terms, found.revision, found.created_by) == ("all", TERMS, 1, "ann")
        other = Terms("plugin", agents=(say.uid_of(3),), enabled=False)
        await assignment_store.change(connection, found, other, "bob")
        changed = await assignment_store.lock(connection, TENANT, made)
        assert changed is not None
        assert (changed.terms, changed.revision, changed.updated_by) == (other, 2, "bob")
        assert await assignment_store.get(connection, "other", made) is None
        assert await assignment_store.count(connection, TENANT) == 1
        await assignment_store.delete(connection, changed)
        assert await assignment_store.get(connection, TENANT, made) is None
    assert await ground.pool.fetchval("SELECT count(*) FROM package_assignment_agent") == 0


async def test_listed_by_name_page_by_page(ground: Ground) -> None:
    """Every one once; by package, part of the name, enabled or not."""
    for name in ("c", "a", "b"):
        await ground.assign(name, enabled=name != "b")
    await ground.assign("z-plugin", package="plugin")
    seen, cursor = [], ""
    while True:
        page = page_of(page_pb2.PageRequest(limit=3, cursor=cursor))
        rows, total = await assignment_store.list_rows(ground.pool, TENANT, page)
        shown, cursor = cut(rows, page, lambda row: (row.name,))
        seen += [row.name for row in shown]
        if not cursor:
            break
    whole = page_of(page_pb2.PageRequest(limit=10))

    async def names(**wanted: object) -> list[str]:
        rows, count = await assignment_store.list_rows(ground.pool, TENANT, whole, **wanted)  # type: ignore[arg-type]
        assert count == len(rows)
        return [row.name for row in rows]

    assert (seen, total) == (["a", "b", "c", "z-plugin"], 4)
    assert await names(package="plugin") == ["z-plugin"]
    assert await names(search="PLUG") == ["z-plugin"]
    assert await names(enabled=False) == ["b"]


async def test_states_are_counted_by_assignment(ground: Ground) -> None:
    """Only of those asked for."""
    assignment = await ground.assign()
    for number in range(2):
        await ground.hear(*Agent(say.uid_of(number)).connected())

    found = await assignment_store.states(ground.pool, TENANT, [assignment.assignment_id, UUID(int=1)])
    assert found == {assignment.assignment_id: {"pending": 2}}
