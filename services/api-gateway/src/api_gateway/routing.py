"""
Declared routes on aiohttp: who, may they, how often, what do they say; then the handler; then bytes.

Errors of every kind leave here as problem details.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.web_exceptions import HTTPException

from api_gateway import metrics
from api_gateway.errors import (
    BodyEncoded,
    BodyTooLarge,
    BodyTooSlow,
    Malformed,
    MethodNotAllowed,
    NotPermitted,
    RateLimited,
    UnknownRoute,
    status_of,
)
from api_gateway.etag import is_held
from api_gateway.language import Language, language_of
from api_gateway.models.document import Document
from api_gateway.parts import Parts
from api_gateway.permissions import Access, Principal, is_allowed
from api_gateway.reading import client_address, read_body, read_query
from api_gateway.registry import Answer, Call, RateClass, Registry, Route
from api_gateway.throttle import Verdict
from servicekit.bus import is_away
from servicekit.errors import InternalError, Kind, ServiceError, Unavailable
from servicekit.web import (
    REQUEST_ID,
    REQUEST_ID_HEADER,
    Handler,
    metrics_middleware,
    request_id_middleware,
    route_template,
)

log = structlog.get_logger()

ROUTE: web.RequestKey[Route] = web.RequestKey("route", Route)
PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)
_NO_BODY_STATUSES = frozenset((204, 304))
_ALLOWED_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match, X-Request-Id, Accept-Language"
_JSON = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


@dataclass(frozen=True)
class Bounds:
    """What one request may take."""

    max_body_bytes: int
    body_timeout_seconds: float
    request_timeout_seconds: float
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    cors_origins: frozenset[str] = frozenset()


def build_application(registry: Registry, parts: Parts, bounds: Bounds) -> web.Application:
    """
    Put every declared route on an aiohttp application.

    Raises:
        UndeclaredPermissionError: A route does not say who may call it.
    """
    registry.check()
    app = web.Application(
        middlewares=(request_id_middleware, metrics_middleware, _log_middleware, _cors(bounds), _error_middleware),
        client_max_size=bounds.max_body_bytes,
    )
    for route in registry.routes:
        handler = _handler(route, parts, bounds)
        for path in (route.path, *route.aliases):
            if route.method == "GET":
                app.router.add_get(path, handler)
            else:
                app.router.add_route(route.method, path, handler)
    app.on_response_prepare.append(_add_security_headers)
    return app


def problem_body(error: ServiceError, status: int, request_id: str) -> dict[str, Any]:
    """Write an error as problem details, with the keys `error` and `details` the platform always used."""
    body: dict[str, Any] = {
        "type": f"urn:opamp-platform:error:{error.stable_code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.public,
        "code": error.stable_code,
        "error": error.public,
        "details": [
            {key: value for key, value in vars(problem).items() if value is not None} for problem in error.details
        ],
        "request_id": request_id,
    }
    extra: Mapping[str, Any] = getattr(error, "extra", {})
    return {**body, **extra}


def _handler(route: Route, parts: Parts, bounds: Bounds) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        request[ROUTE] = route
        try:
            async with asyncio.timeout(None if route.transfer else bounds.request_timeout_seconds):
                principal = await _admit(route, parts, request)
                limited = _count(route, parts, principal)
                call = await _read(route, parts, bounds, request, principal)
                said = await route.handler(call)
                if isinstance(said, web.StreamResponse):
                    return said
                answer = _unless_held(request, said)
        except TimeoutError as error:
            public = "this took too long; try again"
            raise Unavailable(public, retry_after_seconds=1) from error
        return _respond(answer, limited)

    return handle


async def _admit(route: Route, parts: Parts, request: web.Request) -> Principal | None:
    if route.permission is Access.PUBLIC:
        return None
    principal = await parts.authenticator.principal(request.headers.get("Authorization"))
    request[PRINCIPAL] = principal
    if route.permission is None or not is_allowed(principal, route.permission):
        raise NotPermitted(f"your role {principal.role.value} lacks the permission {route.permission}")
    return principal


def _count(route: Route, parts: Parts, principal: Principal | None) -> Verdict | None:
    if principal is None or route.rate not in {RateClass.READ, RateClass.WRITE}:
        return None
    throttle = parts.throttles.read if route.rate is RateClass.READ else parts.throttles.write
    verdict = throttle.take(f"{principal.tenant_id}/{principal.user_id}")
    if not verdict.allowed:
        metrics.RATE_LIMITED.labels(route.rate.value).inc()
        raise RateLimited("too many requests; slow down", retry_after_seconds=verdict.retry_after_seconds)
    return verdict


async def _read(
    route: Route, parts: Parts, bounds: Bounds, request: web.Request, principal: Principal | None
) -> Call[Any, Any]:
    language = language_of(request.headers.get("Accept-Language"))
    if any("\x00" in value for value in request.match_info.values()):
        raise Malformed("the path contains the character U+0000, which no name has")
    pairs = tuple((name, value) for name, value in request.query.items())
    return Call(
        parts=parts,
        path=dict(request.match_info),
        query=read_query(route.query, pairs, language),
        body=await _read_document(route, bounds, request, language),
        headers=request.headers,
        remote_address=client_address(
            request.remote, request.headers.getall("X-Forwarded-For", ()), bounds.trusted_proxies
        ),
        url_path=request.path,
        url_query=pairs,
        caller=principal,
        connection=request if route.transfer else None,
    )


async def _read_document(route: Route, bounds: Bounds, request: web.Request, language: Language) -> Document | None:
    if route.body is None:
        return None
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BodyEncoded("send the body without Content-Encoding")
    try:
        async with asyncio.timeout(bounds.body_timeout_seconds):
            raw = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise BodyTooLarge(f"a body may have at most {bounds.max_body_bytes} bytes") from error
    except TimeoutError as error:
        raise BodyTooSlow("the body did not arrive in time") from error
    except (web.RequestPayloadError, ValueError) as error:
        raise Malformed("the body cannot be decoded") from error
    if not raw.strip():
        if route.body_required:
            raise Malformed("a JSON body is needed")
        raw = b"{}"
    return read_body(route.body, raw, language)


def _unless_held(request: web.Request, answer: Answer) -> Answer:
    """Answer 304 instead of what the client has already."""
    etag = answer.headers.get("ETag")
    if etag is None or request.method not in {"GET", "HEAD"}:
        return answer
    held = is_held(request.headers.get("If-None-Match"), etag)
    return replace(answer, status=HTTPStatus.NOT_MODIFIED, body=b"") if held else answer


def _respond(answer: Answer, limited: Verdict | None) -> web.Response:
    headers = dict(answer.headers)
    if limited is not None:
        headers["RateLimit-Limit"] = str(limited.limit)
        headers["RateLimit-Remaining"] = str(limited.remaining)
    if answer.status in _NO_BODY_STATUSES:
        return web.Response(status=answer.status, headers=headers)
    body = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body, option=_JSON)
    headers["Content-Type"] = answer.content_type
    return web.Response(body=body, status=answer.status, headers=headers)


def _problem_response(error: ServiceError, request: web.Request) -> web.Response:
    route = request.get(ROUTE)
    status = status_of(error, has_body=route is not None and route.body is not None)
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="opamp-platform"'
    current = getattr(error, "current_version", None)
    if current is not None:
        headers["ETag"] = f'"{current}"'
    return web.Response(
        body=orjson.dumps(problem_body(error, status, request[REQUEST_ID])),
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


@web.middleware
async def _error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ServiceError as error:
        if error.kind is Kind.INTERNAL:
            log.exception("request_failed", path=route_template(request))
        return _problem_response(error, request)
    except web.HTTPNotFound:
        return _problem_response(UnknownRoute("there is nothing at this path"), request)
    except web.HTTPMethodNotAllowed as error:
        response = _problem_response(
            MethodNotAllowed(
                f"this path does not know {request.method}; it knows {', '.join(sorted(error.allowed_methods))}"
            ),
            request,
        )
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return response
    except HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _problem_response(Malformed(error.reason), request)
    except Exception as error:
        if is_away(error):
            log.warning("dependency_away", path=route_template(request), error=str(error) or type(error).__name__)
            return _problem_response(
                Unavailable("a part this needs is away; try again", retry_after_seconds=1), request
            )
        log.exception("request_failed", path=route_template(request))
        return _problem_response(InternalError("something went wrong on our side"), request)


@web.middleware
async def _log_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    start = time.perf_counter()
    response = await handler(request)
    principal, route = request.get(PRINCIPAL), request.get(ROUTE)
    quiet = route is not None and route.rate is RateClass.NONE
    (log.debug if quiet else log.info)(
        "http_request_handled",
        method=request.method,
        path=route_template(request),
        status=response.status,
        took_ms=round((time.perf_counter() - start) * 1000, 2),
        user_id=principal.user_id if principal else None,
    )
    return response


def _cors(bounds: Bounds) -> Any:
    @web.middleware
    async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        if origin not in bounds.cors_origins:
            return await handler(request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response: web.StreamResponse = web.Response(
                status=204,
                headers={
                    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
                    "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
                    "Access-Control-Max-Age": "600",
                },
            )
        else:
            response = await handler(request)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = (
            "ETag, Link, Retry-After, X-Request-Id, X-Warning, RateLimit-Limit, RateLimit-Remaining"
        )
        response.headers.add("Vary", "Origin")
        return response

    return cors


async def _add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")
    headers["Server"] = "opamp-platform"
    if REQUEST_ID in request:
        headers.setdefault(REQUEST_ID_HEADER, request[REQUEST_ID])
