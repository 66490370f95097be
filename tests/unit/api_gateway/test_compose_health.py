"""The public health report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api_gateway.compose.health import health_view
from api_gateway.gateways import NO_GATEWAY, OPAMP, NoGatewayError
from api_gateway.models.system import HealthReport
from servicekit.health import Component, Health, Report


def test_the_report_names_what_failed_and_not_why(conforms: Callable[[Any, Any], None]) -> None:
    """Driver messages hold addresses; they stay on the ops port."""
    report = Report(
        "degraded",
        {
            "database": Component("healthy", "ok", 0.0012),
            "agent-state": Component("unhealthy", "ConnectionRefusedError: 10.1.2.3:5432", 0.5),
        },
    )

    view = health_view(report, "1.0.0", 1_700_000_000)

    conforms(HealthReport, view)
    assert view["components"]["database"] == {"status": "healthy", "message": "ok", "latency": "1.2ms"}
    assert view["components"]["agent-state"]["message"] == "does not answer"
    assert "10.1.2.3" not in str(view)
    assert "opamp" not in view["components"], "agent-state's health is not the gateways'"


async def test_a_fleet_without_gateway_is_told_in_words(conforms: Callable[[Any, Any], None]) -> None:
    """The check's sentence holds no address; it reaches the public report."""
    health = Health()

    async def gone() -> None:
        raise NoGatewayError(NO_GATEWAY)

    health.register(OPAMP, gone, critical=False)

    view = health_view(await health.report(), "1", 0)

    conforms(HealthReport, view)
    assert view["status"] == "degraded"
    assert view["components"]["opamp"]["message"] == "no gateway is connected"
