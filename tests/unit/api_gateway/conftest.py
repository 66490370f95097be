"""What several tests of api-gateway check and stand on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.protobuf.message import Message
from pydantic import TypeAdapter

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


@pytest.fixture
def caller() -> type[Caller]:
    """Give the class of a bus that answers lists; it is made with the number of rows."""
    return Caller


@pytest.fixture
def conforms() -> Callable[[Any, Any], None]:
    """Give a check that a view has exactly the fields and types openapi.json promises, and is JSON."""

    def check(view: Any, value: Any) -> None:
        assert TypeAdapter(view).validate_python(value, strict=True) == value
        orjson.dumps(value)

    return check
