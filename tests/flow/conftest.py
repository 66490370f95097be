"""What flow tests share: a running platform, an agent of either kind, a label nobody else uses."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from world.agents import Agent, NewAgent
    from world.platform import Platform

_places = itertools.count(1)


@pytest.fixture
async def running(platform: Platform) -> Platform:
    """Give the file's platform, running."""
    await platform.start(settings={"OPAMP_GATEWAY_TOKEN_CACHE_SECONDS": "2"})
    return platform


@pytest.fixture
def place() -> str:
    """Give a label value no other test uses."""
    return f"place-{next(_places)}"


@pytest.fixture(params=["websocket", "http"])
def new_agent(request: pytest.FixtureRequest, running: Platform) -> NewAgent:
    """Give a maker of agents; the test runs once for each transport."""

    @asynccontextmanager
    async def make(**arguments: Any) -> AsyncIterator[Agent]:
        agent = running.websocket_agent if request.param == "websocket" else running.http_agent
        async with agent(**arguments) as connected:
            yield connected

    return make
