"""Questions to config-service: bodies in small slices, no idle questions."""

from __future__ import annotations

from typing import Any

from api_gateway.models.configurations import ConfigurationQuery
from api_gateway.upstream.config_service import BODY_SLICE, ConfigService


async def test_configurations_with_bodies_come_in_smaller_slices(caller: Any) -> None:
    """A body may have a megabyte; without bodies one question is enough."""
    with_bodies, without = caller(50), caller(50)

    reply = await ConfigService(with_bodies, 5).list_configurations("default", ConfigurationQuery(limit=50))
    await ConfigService(without, 5).list_configurations("default", ConfigurationQuery(limit=50, body=False))

    assert len(reply.configurations) == 50
    assert [request.page.limit for request in with_bodies.requests] == [BODY_SLICE, BODY_SLICE, 10]
    assert [request.without_body for request in without.requests] == [True]


async def test_nobody_is_asked_about_no_agents(caller: Any) -> None:
    """An empty page costs no second question."""
    bus = caller(0)

    assert await ConfigService(bus, 5).of_agents("default", []) == {}
    assert bus.requests == []
