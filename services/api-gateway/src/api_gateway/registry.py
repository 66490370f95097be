"""
Routes as declarations: method, path, permission, models, rate class.

Everything else follows from a declaration: authentication, authorisation, reading the request, the rate limit,
the OpenAPI document, the test matrix. A route that does not say who may call it stops the start.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

from aiohttp import web

from api_gateway.models.document import Document, Query
from api_gateway.models.paging import NoQuery
from api_gateway.parts import Parts
from api_gateway.permissions import Access, Permission, Principal

Q = TypeVar("Q", bound=Query)
B = TypeVar("B", bound="Document | None")

Permit = Permission | Literal[Access.PUBLIC]
PUBLIC: Literal[Access.PUBLIC] = Access.PUBLIC


class RateClass(StrEnum):
    """Which limit a route counts against."""

    READ = "read"
    WRITE = "write"
    LOGIN = "login"
    """Counted by the handler: per account and per address."""

    NONE = "none"
    """Health and documents; cheap and public."""


@dataclass(frozen=True)
class Call(Generic[Q, B]):
    """A request as handlers see it: read, checked, authorised."""

    parts: Parts
    path: Mapping[str, str]
    query: Q
    body: B
    headers: Mapping[str, str]
    remote_address: str
    """Of the client, trusted proxies taken off."""

    url_path: str
    url_query: tuple[tuple[str, str], ...]
    caller: Principal | None
    """None on public routes."""

    connection: web.Request | None = None
    """Of transfers only: bytes that are not read yet."""

    @property
    def principal(self) -> Principal:
        """Who asks; only routes with a permission may say it."""
        if self.caller is None:
            message = "a public route asked who its caller is"
            raise RuntimeError(message)
        return self.caller

    @property
    def request(self) -> web.Request:
        """The request whose bytes a transfer carries; only routes that are transfers may say it."""
        if self.connection is None:
            message = "a route that is no transfer asked for its connection"
            raise RuntimeError(message)
        return self.connection

    @property
    def tenant_id(self) -> str:
        """Tenant of the caller."""
        return self.principal.tenant_id


@dataclass(frozen=True)
class Answer:
    """What a handler answers: a view, or bytes with their content type."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


Handler = Callable[[Call[Any, Any]], Awaitable["Answer | web.StreamResponse"]]
H = TypeVar("H", bound=Callable[..., Awaitable["Answer | web.StreamResponse"]])


@dataclass(frozen=True)
class Route:
    """One declared route."""

    method: str
    path: str
    permission: Permit | None
    handler: Handler
    tag: str
    answers: Mapping[int, Any]
    """Status to view; a string names a content type other than JSON."""

    query: type[Query] = NoQuery
    body: type[Document] | None = None
    body_required: bool = True
    rate: RateClass = RateClass.READ
    errors: tuple[int, ...] = ()
    """Statuses beyond those every route of its kind may answer."""

    transfer: bool = False
    """Carries bytes of files: it may take as long as they move, and may answer with a stream of its own."""

    consumes: Mapping[str, Any] = field(default_factory=dict)
    """Of transfers: content type of the body to its JSON schema."""

    aliases: tuple[str, ...] = ()
    if_match: bool = False
    etag: bool = False

    @property
    def name(self) -> str:
        """Name of the handler; operationId in openapi.json."""
        return self.handler.__name__

    @property
    def summary(self) -> str:
        """First line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").split("\n", 1)[0].rstrip(".")

    @property
    def description(self) -> str:
        """The rest of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[2].strip()


class UndeclaredPermissionError(Exception):
    """A route does not say who may call it."""


class Registry:
    """Every route, in the order declared."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def route(self, method: str, path: str, *, permission: Permit | None = None, **declared: Any) -> Callable[[H], H]:
        """
        Declare a route; the keywords are the fields of Route.

        Without a permission the route is kept, and check() refuses the whole.
        """

        def declare(handler: H) -> H:
            rate = declared.pop("rate", RateClass.READ if method == "GET" else RateClass.WRITE)
            self.routes.append(Route(method, path, permission, handler, rate=rate, **declared))
            return handler

        return declare

    def check(self) -> None:
        """
        Refuse to start with a route nobody thought through.

        Raises:
            UndeclaredPermissionError: Routes without permission, or declared twice.
        """
        open_routes = [f"{route.method} {route.path}" for route in self.routes if route.permission is None]
        if open_routes:
            message = f"these routes declare no permission: {', '.join(open_routes)}"
            raise UndeclaredPermissionError(message)
        seen: set[tuple[str, str]] = set()
        for route in self.routes:
            for path in (route.path, *route.aliases):
                if (route.method, path) in seen:
                    message = f"{route.method} {path} is declared twice"
                    raise UndeclaredPermissionError(message)
                seen.add((route.method, path))
