"""What the parts said of themselves becomes the /health of the platform; details stay on the ops port."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api_gateway.models import system as views
    from servicekit.health import Component, Report

AGENT_STATE = "agent-state"
OPAMP = "opamp"


def health_view(report: Report, version: str, unix_seconds: int) -> views.HealthReport:
    """
    Compose the public health report.

    What failed is named, why is not: addresses and driver messages are for the ops port. `opamp` stands for the
    part that knows the agents, under the name it always had.
    """
    components = {name: _component_view(component) for name, component in report.components.items()}
    return {
        "status": report.status,
        "timestamp": unix_seconds,
        "version": version,
        "components": _with_opamp(components),
    }


def _with_opamp(components: Mapping[str, views.ComponentReport]) -> dict[str, views.ComponentReport]:
    known = components.get(AGENT_STATE)
    return {**components, OPAMP: known} if known else dict(components)


def _component_view(component: Component) -> views.ComponentReport:
    healthy = component.status == "healthy"
    return {
        "status": component.status,
        "message": "ok" if healthy else "does not answer",
        "latency": f"{component.latency_seconds * 1000:.1f}ms",
    }
