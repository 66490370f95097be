"""What the parts said of themselves becomes the /health of the platform; details stay on the ops port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.gateways import NO_GATEWAY

if TYPE_CHECKING:
    from api_gateway.models import system as views
    from servicekit.health import Component, Report

_SAID_ALOUD = frozenset((NO_GATEWAY,))
"""Sentences of checks that hold no address and may be told to anybody."""


def health_view(report: Report, version: str, unix_seconds: int) -> views.HealthReport:
    """
    Compose the public health report.

    What failed is named, why mostly is not: addresses and driver messages are for the ops port.
    """
    return {
        "status": report.status,
        "timestamp": unix_seconds,
        "version": version,
        "components": {name: _component_view(component) for name, component in report.components.items()},
    }


def _component_view(component: Component) -> views.ComponentReport:
    healthy = component.status == "healthy"
    _, _, sentence = component.message.partition(": ")
    unwell = sentence if sentence in _SAID_ALOUD else "does not answer"
    return {
        "status": component.status,
        "message": "ok" if healthy else unwell,
        "latency": f"{component.latency_seconds * 1000:.1f}ms",
    }
