"""Health, metrics, the OpenAPI document and its viewer."""

from __future__ import annotations

from typing import Any

from api_gateway.compose.health import health_view
from api_gateway.errors import UnknownRoute
from api_gateway.models.paging import NoQuery
from api_gateway.models.system import Alive, HealthReport, Ready
from api_gateway.permissions import Permission
from api_gateway.registry import PUBLIC, Answer, Call, RateClass, Registry
from api_gateway.swagger import PAGE, PAGE_POLICY, asset
from servicekit.metrics import CONTENT_TYPE, render

routes = Registry()

_OPEN: dict[str, Any] = {"permission": PUBLIC, "tag": "system", "rate": RateClass.NONE}
_CACHED = {"Cache-Control": "public, max-age=3600"}


@routes.route("GET", "/health", **_OPEN, answers={200: HealthReport, 503: HealthReport})
async def get_health(call: Call[NoQuery, None]) -> Answer:
    """Tell how the platform is, part by part; 503 when it cannot work."""
    report = await call.parts.health.report()
    body = health_view(report, call.parts.version, int(call.parts.clock.now().timestamp()))
    return Answer(body, status=503 if report.status == "unhealthy" else 200)


@routes.route("GET", "/health/ready", **_OPEN, answers={200: Ready, 503: Ready})
async def get_ready(call: Call[NoQuery, None]) -> Answer:
    """Tell whether requests should be sent here."""
    ready = await call.parts.health.ready()
    body: Ready = {"ready": ready}
    return Answer(body, status=200 if ready else 503)


@routes.route("GET", "/health/live", **_OPEN, answers={200: Alive})
async def get_live(call: Call[NoQuery, None]) -> Answer:  # noqa: ARG001 - the process answers, that is all
    """Tell that the process runs."""
    body: Alive = {"alive": True}
    return Answer(body)


@routes.route("GET", "/metrics", permission=Permission.METRICS_READ, tag="system", answers={200: "text/plain"})
async def get_metrics(call: Call[NoQuery, None]) -> Answer:  # noqa: ARG001 - the metrics of the process
    """
    Get the metrics of this process in the Prometheus text format.

    Needs a token here; the ops port of every service gives the same without one, to those who can reach it.
    """
    return Answer(render(), content_type=CONTENT_TYPE)


@routes.route(
    "GET",
    "/api/v1/openapi.json",
    **_OPEN,
    answers={200: dict[str, Any]},
    aliases=("/swagger/doc.json",),
)
async def get_openapi(call: Call[NoQuery, None]) -> Answer:
    """Get this document."""
    return Answer(call.parts.openapi, headers=_CACHED)


@routes.route("GET", "/swagger", **_OPEN, answers={302: "text/html"}, aliases=("/swagger/",))
async def redirect_to_viewer(call: Call[NoQuery, None]) -> Answer:  # noqa: ARG001 - always the same place
    """Go to the viewer of this document."""
    return Answer(b"", status=302, headers={"Location": "/swagger/index.html"}, content_type="text/html")


@routes.route("GET", "/swagger/index.html", **_OPEN, answers={200: "text/html"})
async def get_viewer(call: Call[NoQuery, None]) -> Answer:  # noqa: ARG001 - a fixed page
    """View this document."""
    headers = {"Content-Security-Policy": PAGE_POLICY, **_CACHED}
    return Answer(PAGE, headers=headers, content_type="text/html; charset=utf-8")


@routes.route("GET", "/swagger/{file}", **_OPEN, answers={200: "application/octet-stream"}, errors=(404,))
async def get_viewer_file(call: Call[NoQuery, None]) -> Answer:
    """Get a file of the viewer."""
    found = asset(call.path["file"])
    if found is None:
        raise UnknownRoute("there is nothing at this path")
    return Answer(found[0], headers=_CACHED, content_type=found[1])
