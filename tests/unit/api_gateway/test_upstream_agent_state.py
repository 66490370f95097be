"""Questions to agent-state: pages in slices, sort orders."""

from __future__ import annotations

from typing import Any

import pytest

from api_gateway.models.agents import AgentQuery
from api_gateway.upstream.agent_state import SLICE, AgentState


@pytest.mark.parametrize(
    ("rows", "limit", "questions"), [(0, 20, 1), (20, 20, 1), (1000, 20, 1), (1000, 1000, 5), (450, 1000, 3)]
)
async def test_a_large_page_of_agents_is_asked_for_in_slices(
    rows: int, limit: int, questions: int, caller: Any
) -> None:
    """The answers fit the bus, and together they are the page, in order, without gap or repeat."""
    bus = caller(rows)

    reply = await AgentState(bus, 5).list_agents("default", AgentQuery(limit=limit, status=("online",)))

    assert [agent.name for agent in reply.agents] == [str(number) for number in range(min(rows, limit))]
    assert len(bus.requests) == questions
    assert all(request.page.limit <= SLICE and list(request.statuses) == ["online"] for request in bus.requests)
    assert reply.page.next_cursor == (str(limit) if rows > limit else "")
    assert reply.page.total == rows


async def test_offset_counts_for_the_first_slice_only(caller: Any) -> None:
    """Then the cursor knows the place."""
    bus = caller(1000)

    reply = await AgentState(bus, 5).list_agents("default", AgentQuery(limit=300, offset=100))

    assert [reply.agents[0].name, reply.agents[-1].name] == ["100", "399"]
    assert [request.page.offset for request in bus.requests] == [100, 0]


async def test_a_sort_order_is_a_field_and_a_direction(caller: Any) -> None:
    """-name on the outside, name and descending on the bus; q is short for search."""
    bus = caller(0)

    await AgentState(bus, 5).list_agents("default", AgentQuery(sort="-name", q="web"))

    assert (bus.requests[0].sort, bus.requests[0].descending, bus.requests[0].search) == ("name", True, "web")
