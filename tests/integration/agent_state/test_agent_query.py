from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent_state.agent_query import AgentQuery, Filter
from agent_state.paging import Page
from world.facts import batch, connected, described, uid_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier


async def plan_of(pool: asyncpg.Pool, query: str, *arguments: object) -> set[str]:
    """Tell which kinds of node, and indexes, a plan uses."""
    text = await pool.fetchval(f"EXPLAIN (FORMAT JSON) {query}", *arguments)
    plan = json.loads(text) if isinstance(text, str) else text
    found: set[str] = set()

    def walk(node: dict[str, Any]) -> None:
        found.update(str(node[key]) for key in ("Node Type", "Index Name") if key in node)
        for child in node.get("Plans", ()):
            walk(child)

    walk(plan[0]["Plan"])
    return found


async def test_other_tenants_are_invisible(pool: asyncpg.Pool, apply: Applier) -> None:
    """The same uid may live in two tenants; each sees its own."""
    await apply(batch(connected(uid_of(1), 5), described(uid_of(1), 5, 2), connected(uid_of(1), 6, tenant="other")))
    query = AgentQuery(pool)

    rows, total = await query.list("other", Filter(), "", Page(20, 0, None), descending=False)

    assert (total, rows[0]["name"], rows[0]["epoch"]) == (1, "", 6)
    assert (await query.summary("other")).total == 1
    assert await query.get("third", uid_of(1)) is None


async def test_summary_reads_an_index_alone(pool: asyncpg.Pool) -> None:
    """Counting does not touch the table, so it costs the same however wide agents are."""
    await pool.execute(
        """
        INSERT INTO agent (tenant_id, agent_uid, epoch, sequence, last_connected_at, health_error)
        SELECT 'default', decode(lpad(to_hex(n), 32, '0'), 'hex'), n, 1, now(), repeat('x', 500)
        FROM generate_series(1, 5000) n
        """
    )
    await pool.execute("VACUUM ANALYZE agent")

    used = await plan_of(
        pool,
        "SELECT status, link, health_state, config_state, count(*) FROM agent WHERE tenant_id = 'default' "
        "GROUP BY status, link, health_state, config_state",
    )

    assert "Index Only Scan" in used
    assert "agent_states" in used


async def test_search_treats_wildcards_as_letters(pool: asyncpg.Pool, apply: Applier) -> None:
    """Percent, underscore and backslash are looked for, not obeyed."""
    for number, name in enumerate(["100%", "a_b", "a\\b", "axb"], start=1):
        uid = uid_of(number)
        await apply(batch(connected(uid, number), described(uid, number, 2, {"service.name": name})))
    query = AgentQuery(pool)

    for text, expected in (("%", ["100%"]), ("a_b", ["a_b"]), ("\\", ["a\\b"]), ("A", ["a_b", "a\\b", "axb"])):
        rows, _ = await query.list("default", Filter(search=text), "created_at", Page(20, 0, None), descending=False)
        assert [row["name"] for row in rows] == expected
