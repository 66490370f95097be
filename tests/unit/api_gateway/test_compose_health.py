"""The public health report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api_gateway.compose.health import health_view
from api_gateway.models.system import HealthReport
from servicekit.health import Component, Report


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
    assert view["components"]["opamp"]["status"] == "unhealthy"
    assert "10.1.2.3" not in str(view)


def test_without_agent_state_there_is_no_opamp_component() -> None:
    """Nothing is made up."""
    assert health_view(Report("healthy", {}), "1", 0)["components"] == {}
