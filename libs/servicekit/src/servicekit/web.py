"""
HTTP as every service speaks it: problem details, request ids, RED metrics, and the ops port.

Errors leave as application/problem+json with the original's `error` and `details` keys beside RFC 9457's.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.web_exceptions import HTTPException
from prometheus_client import Counter, Histogram

from servicekit import bus, log, metrics
from servicekit.errors import Kind, Problem, ServiceError
from servicekit.health import Health, Report

logger = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SIZE_BUCKETS = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)

STATUS_OF: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}

HTTP_REQUESTS = Counter(
    "opamp_platform_http_requests_total",
    "HTTP requests by method, route template and status.",
    ("method", "path", "status"),
    registry=metrics.REGISTRY,
)
HTTP_SECONDS = Histogram(
    "opamp_platform_http_request_duration_seconds",
    "Time to answer an HTTP request.",
    ("method", "path"),
    buckets=metrics.SECONDS_BUCKETS,
    registry=metrics.REGISTRY,
)
HTTP_REQUEST_BYTES = Histogram(
    "opamp_platform_http_request_size_bytes",
    "Size of HTTP request bodies.",
    ("method", "path"),
    buckets=SIZE_BUCKETS,
    registry=metrics.REGISTRY,
)
HTTP_RESPONSE_BYTES = Histogram(
    "opamp_platform_http_response_size_bytes",
    "Size of HTTP response bodies.",
    ("method", "path"),
    buckets=SIZE_BUCKETS,
    registry=metrics.REGISTRY,
)


def to_json(value: Any) -> str:
    """Serialise with orjson; datetimes as RFC 3339 UTC."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC).decode()


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with JSON."""
    return web.json_response(value, status=status, headers=headers, dumps=to_json)


def problem(
    status: int, title: str, *, code: str, request_id: str, details: Iterable[Problem] = ()
) -> dict[str, object]:
    """Write the body of an error answer."""
    return {
        "type": f"urn:opamp-platform:error:{code}",
        "title": title,
        "status": status,
        "code": code,
        "error": title,
        "details": [{key: value for key, value in vars(item).items() if value is not None} for item in details],
        "request_id": request_id,
    }


def problem_response(error: ServiceError, request_id: str, *, status: int | None = None) -> web.Response:
    """Answer with an error; *status* overrides what its kind says."""
    status = status or STATUS_OF[error.kind]
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    body = problem(status, error.public, code=error.stable_code, request_id=request_id, details=error.details)
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/problem+json"
    )


def route_template(request: web.Request) -> str:
    """Tell the route's template, never the raw path: the label stays bounded."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


@web.middleware
async def request_id_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take the caller's request id or make one; it is in the answer, the log and the questions asked on the bus."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    request[REQUEST_ID] = request_id
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        response = await handler(request)
    if not response.prepared:
        response.headers[REQUEST_ID_HEADER] = request_id
    return response


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into problem details; a bug shows its id only."""
    try:
        return await handler(request)
    except ServiceError as error:
        if error.kind is Kind.INTERNAL:
            logger.exception("request_failed", path=route_template(request))
        return problem_response(error, request[REQUEST_ID])
    except HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - a redirect is an answer
            raise
        body = problem(error.status, error.reason, code=f"http_{error.status}", request_id=request[REQUEST_ID])
        headers = {name: value for name, value in error.headers.items() if name in {"Allow", "Retry-After"}}
        return web.Response(
            body=orjson.dumps(body),
            status=error.status,
            headers=headers,
            content_type="application/problem+json",
        )
    except Exception as error:
        if bus.is_away(error):
            logger.warning("dependency_away", error=str(error) or type(error).__name__)
            body = problem(
                503,
                "a part this needs is away; try again",
                code="unavailable",
                request_id=request[REQUEST_ID],
            )
            return web.Response(
                body=orjson.dumps(body),
                status=503,
                headers={"Retry-After": "1"},
                content_type="application/problem+json",
            )
        logger.exception("request_failed", path=route_template(request))
        body = problem(500, "something went wrong on our side", code="internal", request_id=request[REQUEST_ID])
        return web.Response(body=orjson.dumps(body), status=500, content_type="application/problem+json")


@web.middleware
async def metrics_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count, time and weigh every request by its route template."""
    start = time.perf_counter()
    status = 500
    response: web.StreamResponse | None = None
    try:
        response = await handler(request)
        status = response.status
    except HTTPException as error:
        status = error.status
        raise
    finally:
        path = route_template(request)
        HTTP_REQUESTS.labels(request.method, path, str(status)).inc()
        HTTP_SECONDS.labels(request.method, path).observe(time.perf_counter() - start)
        HTTP_REQUEST_BYTES.labels(request.method, path).observe(request.content_length or 0)
        HTTP_RESPONSE_BYTES.labels(request.method, path).observe((response and response.content_length) or 0)
    return response


MIDDLEWARES = (request_id_middleware, metrics_middleware, error_middleware)


def health_body(report: Report, version: str) -> dict[str, object]:
    """Write the answer of /health as the original had it."""
    return {
        "status": report.status,
        "timestamp": int(time.time()),
        "version": version,
        "components": {
            name: {
                "status": part.status,
                "message": part.message,
                "latency": f"{part.latency_seconds * 1000:.1f}ms",
            }
            for name, part in report.components.items()
        },
    }


class OpsServer:
    """
    The port for people and machines that run the service: health, metrics, log level.

    Never the port agents or operators use; bind it to loopback or to the cluster's inner network.
    """

    def __init__(
        self, health: Health, host: str, port: int, *, version: str, routes: Iterable[web.RouteDef] = ()
    ) -> None:
        self._health = health
        self._host = host
        self._port = port
        self._version = version
        self._routes = tuple(routes)
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port in use, once started."""
        if self._runner is None or not self._runner.addresses:
            return self._port
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        app = web.Application(middlewares=(request_id_middleware, error_middleware), client_max_size=4096)
        app.add_routes(
            [
                web.get("/health", self._report),
                web.get("/health/ready", self._ready),
                web.get("/health/live", self._live),
                web.get("/metrics", self._metrics),
                web.get("/log-level", self._get_level),
                web.put("/log-level", self._put_level),
                *self._routes,
            ]
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, self._host, self._port).start()
        self._runner = runner

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _report(self, _: web.Request) -> web.Response:
        report = await self._health.report()
        status = 503 if report.status == "unhealthy" else 200
        return json_response(health_body(report, self._version), status=status)

    async def _ready(self, _: web.Request) -> web.Response:
        ready = await self._health.ready()
        return json_response({"ready": ready}, status=200 if ready else 503)

    async def _live(self, _: web.Request) -> web.Response:
        return json_response({"alive": True})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _get_level(self, _: web.Request) -> web.Response:
        return json_response({"level": log.get_level()})

    async def _put_level(self, request: web.Request) -> web.Response:
        text = (await request.text()).strip()
        try:
            if text.startswith("{"):
                text = str(orjson.loads(text).get("level", ""))
            log.set_level(text)
        except ValueError as error:
            raise web.HTTPBadRequest(reason=str(error)) from None
        logger.warning("log_level_changed", level=text)
        return json_response({"level": text})
