"""Declared routes, and the start that refuses an undeclared permission."""

from __future__ import annotations

from typing import Any

import pytest

from api_gateway.permissions import Permission
from api_gateway.registry import PUBLIC, Answer, Call, RateClass, Registry, UndeclaredPermissionError
from api_gateway.routes import all_routes
from api_gateway.routing import Bounds, build_application


async def handler(call: Call[Any, Any]) -> Answer:
    """Say something. In more words."""
    return Answer({"path": call.url_path})


def test_a_route_without_a_declared_permission_does_not_start() -> None:
    """Forgetting to think about who may call stops the process, not the auditor."""
    registry = Registry()
    registry.route("GET", "/open", tag="x", answers={200: dict})(handler)

    with pytest.raises(UndeclaredPermissionError, match="GET /open"):
        registry.check()
    with pytest.raises(UndeclaredPermissionError):
        build_application(registry, None, Bounds(1024, 1, 1))  # type: ignore[arg-type] # it never gets that far


def test_a_path_declared_twice_does_not_start() -> None:
    """An alias counts as a path."""
    registry = Registry()
    registry.route("GET", "/a", permission=PUBLIC, tag="x", answers={200: dict}, aliases=("/b",))(handler)
    registry.route("GET", "/b", permission=PUBLIC, tag="x", answers={200: dict})(handler)

    with pytest.raises(UndeclaredPermissionError, match="GET /b is declared twice"):
        registry.check()


def test_reads_and_writes_are_counted_apart_unless_said_otherwise() -> None:
    """The rate class follows from the method."""
    registry = Registry()
    registry.route("GET", "/a", permission=PUBLIC, tag="x", answers={})(handler)
    registry.route("POST", "/a", permission=PUBLIC, tag="x", answers={})(handler)
    registry.route("POST", "/b", permission=PUBLIC, tag="x", answers={}, rate=RateClass.LOGIN)(handler)

    assert [route.rate for route in registry.routes] == [RateClass.READ, RateClass.WRITE, RateClass.LOGIN]
    assert registry.routes[0].summary == "Say something. In more words"


def test_only_these_routes_are_public() -> None:
    """A route that becomes public must be added here by somebody who meant it."""
    public = {f"{route.method} {route.path}" for route in all_routes().routes if route.permission is PUBLIC}

    assert public == {
        "GET /health",
        "GET /health/ready",
        "GET /health/live",
        "GET /api/v1/openapi.json",
        "GET /swagger",
        "GET /swagger/index.html",
        "GET /swagger/{file}",
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/register",
        "POST /api/v1/auth/refresh",
    }


def test_every_writing_route_needs_a_writing_permission() -> None:
    """No POST, PUT, PATCH or DELETE hides behind a read permission."""
    registry = all_routes()
    registry.check()

    for route in registry.routes:
        if route.method != "GET" and isinstance(route.permission, Permission):
            assert not route.permission.value.endswith(":read"), route.path


def test_a_public_route_cannot_ask_who_its_caller_is() -> None:
    """Asking is a bug and says so."""
    call: Call[Any, Any] = Call(None, {}, None, None, {}, "", "", (), None)  # type: ignore[arg-type] # no parts needed

    with pytest.raises(RuntimeError):
        _ = call.principal
