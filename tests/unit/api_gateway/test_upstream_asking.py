"""Asking services: deadlines and request ids."""

from __future__ import annotations

from typing import Any

import structlog

from api_gateway.upstream.config_service import NAMES_TIMEOUT_SECONDS, ConfigService


async def test_questions_carry_the_request_id_and_a_deadline(caller: Any) -> None:
    """Names of configurations are waited for no longer than a second."""
    bus = caller(0)
    service = ConfigService(bus, 5)

    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        await service.of_agents("default", [bytes(16)])
    await service.get("default", "edge")

    assert bus.timeouts == [NAMES_TIMEOUT_SECONDS, 5]
    assert bus.headers == [{"Fleet-Request-Id": "r-1"}, None]
