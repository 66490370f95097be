"""Asking services: deadlines, request ids, pages in slices."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from google.protobuf.message import Message

from api_gateway.models.agents import AgentQuery
from api_gateway.models.configurations import ConfigurationQuery
from api_gateway.upstream.agent_state import SLICE, AgentState
from api_gateway.upstream.config_service import BODY_SLICE, NAMES_TIMEOUT_SECONDS, ConfigService
from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import config_service_pb2 as configs
from fleet.api.v1.page_pb2 import PageReply


class Caller:
    """A bus that answers lists from a fixed number of rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.requests: list[Any] = []
        self.timeouts: list[float] = []
        self.headers: list[dict[str, str] | None] = []

    async def call(
        self, method: Any, request: Any, *, timeout_seconds: float = 5.0, headers: dict[str, str] | None = None
    ) -> Any:
        """Answer with as many rows as asked for, and a cursor while there are more."""
        self.requests.append(request)
        self.timeouts.append(timeout_seconds)
        self.headers.append(headers)
        if method not in (subjects.LIST_AGENTS, subjects.LIST_CONFIGURATIONS):
            answer: Message = method.response_type()
            return answer
        start = int(request.page.cursor or request.page.offset)
        count = max(0, min(request.page.limit, self.rows - start))
        more = start + count < self.rows
        page = PageReply(total=self.rows, next_cursor=str(start + count) if more else "")
        if method is subjects.LIST_AGENTS:
            return agents.ListAgentsReply(
                agents=[agents.Agent(name=str(start + number)) for number in range(count)], page=page
            )
        return configs.ListConfigurationsReply(
            configurations=[configs.Configuration(name=str(start + number)) for number in range(count)], page=page
        )


@pytest.mark.parametrize(
    ("rows", "limit", "questions"), [(0, 20, 1), (20, 20, 1), (1000, 20, 1), (1000, 1000, 5), (450, 1000, 3)]
)
async def test_a_large_page_of_agents_is_asked_for_in_slices(rows: int, limit: int, questions: int) -> None:
    """The answers fit the bus, and together they are the page, in order, without gap or repeat."""
    caller = Caller(rows)

    reply = await AgentState(caller, 5).list_agents("default", AgentQuery(limit=limit, status=("online",)))

    assert [agent.name for agent in reply.agents] == [str(number) for number in range(min(rows, limit))]
    assert len(caller.requests) == questions
    assert all(request.page.limit <= SLICE and list(request.statuses) == ["online"] for request in caller.requests)
    assert reply.page.next_cursor == (str(limit) if rows > limit else "")
    assert reply.page.total == rows


async def test_offset_counts_for_the_first_slice_only() -> None:
    """Then the cursor knows the place."""
    caller = Caller(1000)

    reply = await AgentState(caller, 5).list_agents("default", AgentQuery(limit=300, offset=100))

    assert [reply.agents[0].name, reply.agents[-1].name] == ["100", "399"]
    assert [request.page.offset for request in caller.requests] == [100, 0]


async def test_configurations_with_bodies_come_in_smaller_slices() -> None:
    """A body may have a megabyte; without bodies one question is enough."""
    with_bodies, without = Caller(50), Caller(50)

    reply = await ConfigService(with_bodies, 5).list_configurations("default", ConfigurationQuery(limit=50))
    await ConfigService(without, 5).list_configurations("default", ConfigurationQuery(limit=50, body=False))

    assert len(reply.configurations) == 50
    assert [request.page.limit for request in with_bodies.requests] == [BODY_SLICE, BODY_SLICE, 10]
    assert [request.without_body for request in without.requests] == [True]


async def test_a_sort_order_is_a_field_and_a_direction() -> None:
    """-name on the outside, name and descending on the bus; q is short for search."""
    caller = Caller(0)

    await AgentState(caller, 5).list_agents("default", AgentQuery(sort="-name", q="web"))

    assert (caller.requests[0].sort, caller.requests[0].descending, caller.requests[0].search) == ("name", True, "web")


async def test_questions_carry_the_request_id_and_a_deadline() -> None:
    """Names of configurations are waited for no longer than a second."""
    caller = Caller(0)
    service = ConfigService(caller, 5)

    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        await service.of_agents("default", [bytes(16)])
    await service.get("default", "edge")

    assert caller.timeouts == [NAMES_TIMEOUT_SECONDS, 5]
    assert caller.headers == [{"Fleet-Request-Id": "r-1"}, None]


async def test_nobody_is_asked_about_no_agents() -> None:
    """An empty page costs no second question."""
    caller = Caller(0)

    assert await ConfigService(caller, 5).of_agents("default", []) == {}
    assert caller.requests == []
