from __future__ import annotations

from typing import TYPE_CHECKING

from agent_state.agent_query import AgentQuery
from agent_state.paging import Page
from world.facts import batch, connected, disconnected, health, uid_of

from .conftest import row_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

UID = uid_of(1)


async def test_end_before_beginning_is_one_row(pool: asyncpg.Pool, apply: Applier) -> None:
    """Disconnected may come before Connected: the row gets its beginning later."""
    await apply(batch(disconnected(UID, 5, 4, "connection lost")))
    await apply(batch(connected(UID, 5)))

    assert await row_of(
        pool, "SELECT count(*), max(duration_seconds), max(disconnect_reason) FROM agent_connection"
    ) == (1, 3.0, "connection lost")
    assert await pool.fetchval("SELECT status FROM agent") == "offline"


async def test_implied_connection_gets_its_true_beginning(pool: asyncpg.Pool, apply: Applier) -> None:
    """A connection first known from its health report begins when Connected says."""
    await apply(batch(health(UID, 5, 9)))
    await apply(batch(connected(UID, 5)))

    rows = await pool.fetch("SELECT c.connected_at = a.last_connected_at, c.implied FROM agent_connection c, agent a")
    assert [tuple(row) for row in rows] == [(True, False)]


async def test_late_connection_finds_its_place_between_others(pool: asyncpg.Pool, apply: Applier) -> None:
    """A connection told late ends its predecessor and is ended by its successor."""
    await apply(batch(connected(UID, 5)))
    await apply(batch(connected(UID, 9)))
    await apply(batch(connected(UID, 7)))

    rows, total = await AgentQuery(pool).history("default", UID, Page(10, 0, None))
    assert (total, rows[0]["epoch"]) == (3, 9)
    assert [(row["epoch"], row["duration_seconds"]) for row in rows[1:]] == [(7, 20.0), (5, 20.0)]
