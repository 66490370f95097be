"""Declared routes on aiohttp: bounds, errors, headers."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import TypeAdapter

from api_gateway.errors import VersionChanged
from api_gateway.models.document import Document
from api_gateway.models.system import Problem
from api_gateway.permissions import Permission, Principal, Role
from api_gateway.registry import PUBLIC, Answer, Call, Registry
from api_gateway.routing import Bounds, build_application
from api_gateway.throttle import Limit, Throttle
from servicekit import errors as kit

ORIGIN = "https://console.example"
BOUNDS = Bounds(
    max_body_bytes=2048,
    body_timeout_seconds=0.2,
    request_timeout_seconds=0.5,
    cors_origins=frozenset((ORIGIN,)),
)
Client = TestClient[Any, Any]


class Thing(Document):
    """A document."""

    name: str


class Doorkeeper:
    """Knows everybody as a viewer."""

    async def principal(self, authorization: str | None) -> Principal:
        """Tell who asks."""
        assert authorization
        return Principal("default", authorization, "jo", Role.VIEWER, "s")


def registry() -> Registry:  # noqa: C901 - a list of small handlers
    """Declare routes that misbehave in every way."""
    routes = Registry()

    def declare(method: str, path: str, **more: Any) -> Callable[[Any], Any]:
        return routes.route(method, path, **{"permission": PUBLIC, "tag": "x", "answers": {200: dict}, **more})

    @declare("POST", "/things", body=Thing)
    async def make(call: Call[Any, Thing]) -> Answer:
        return Answer({"name": call.body.name, "at": datetime(2026, 1, 1, tzinfo=UTC)})

    @declare("GET", "/things/{id}", permission=Permission.AGENT_READ)
    async def get(call: Call[Any, None]) -> Answer:
        return Answer({"id": call.path["id"], "who": call.principal.username})

    @declare("DELETE", "/things/{id}", permission=Permission.AGENT_DELETE)
    async def delete(call: Call[Any, None]) -> Answer:
        raise AssertionError(call)

    @declare("GET", "/slow")
    async def slow(call: Call[Any, None]) -> Answer:
        await asyncio.Event().wait()
        return Answer(call)

    @declare("GET", "/bug")
    async def bug(call: Call[Any, None]) -> Answer:
        message = f"secret of {call.url_path}"
        raise ValueError(message)

    @declare("GET", "/away")
    async def away(call: Call[Any, None]) -> Answer:
        raise ConnectionResetError(call.url_path)

    @declare("GET", "/refused")
    async def refused(call: Call[Any, None]) -> Answer:
        detail = kit.Problem("raw_config", "no", line=3, column=7)
        raise kit.TooMany(call.url_path, details=[detail], retry_after_seconds=2.4)

    @declare("GET", "/remote-bug")
    async def remote_bug(call: Call[Any, None]) -> Answer:
        raise kit.InternalError("something broke", details=()) from ValueError(call.url_path)

    @declare("GET", "/changed")
    async def changed(call: Call[Any, None]) -> Answer:
        raise VersionChanged(call.url_path, current_version=4)

    @declare("GET", "/nothing")
    async def nothing(call: Call[Any, None]) -> Answer:
        return Answer(call, status=204)

    return routes


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a client of those routes."""
    parts: Any = SimpleNamespace(
        authenticator=Doorkeeper(),
        throttles=SimpleNamespace(
            read=Throttle(Limit(0.001, 3), lambda: 0.0), write=Throttle(Limit(0.001, 3), lambda: 0.0)
        ),
    )
    server = TestServer(build_application(registry(), parts, BOUNDS))
    await server.start_server(auto_decompress=False)
    async with TestClient(server) as made:
        yield made


async def problem(response: Any, status: int) -> Any:
    """Check that an answer is a problem of the shape openapi.json promises."""
    assert response.status == status
    assert response.content_type == "application/problem+json"
    body = orjson.loads(await response.read())
    assert TypeAdapter(Problem).validate_python(body, strict=True) == body
    assert body["status"] == status
    assert body["error"] == body["detail"]
    assert body["request_id"] == response.headers["X-Request-Id"]
    return body


async def test_a_document_goes_in_and_comes_out(client: Client) -> None:
    """Whatever the content type says: the original did not look at it either."""
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        response = await client.post("/things", data=b'{"name": "a"}', headers={"Content-Type": content_type})
        assert await response.json() == {"name": "a", "at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "malformed_request"),
        (b"  ", 400, "malformed_request"),
        (b"{", 400, "malformed_request"),
        (b'{"name": 1}', 422, "validation_failed"),
        (b'{"name": "' + b"x" * 3000 + b'"}', 413, "body_too_large"),
    ],
)
async def test_a_bad_body_is_refused_with_its_kind(client: Client, data: bytes, status: int, code: str) -> None:
    """400 cannot be read, 413 too long, 422 read and refused."""
    body = await problem(await client.post("/things", data=data), status)

    assert body["code"] == code


async def test_a_compressed_body_is_refused(client: Client) -> None:
    """A few bytes on the wire, megabytes in memory: nothing inflates here."""
    bomb = gzip.compress(b" " * 5_000_000)

    body = await problem(await client.post("/things", data=bomb, headers={"Content-Encoding": "gzip"}), 415)
    plain = await client.post("/things", data=b'{"name": "a"}', headers={"Content-Encoding": "identity"})

    assert body["code"] == "body_encoded"
    assert plain.status == 200


async def test_a_body_that_never_ends_is_given_up(client: Client) -> None:
    """A slow sender holds a connection for a while, not for ever."""

    async def drip() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    assert (await problem(await client.post("/things", data=drip()), 408))["code"] == "body_too_slow"


async def test_a_nul_in_the_path_is_refused(client: Client) -> None:
    """No table could be asked for it."""
    await problem(await client.get("/things/a%00b", headers={"Authorization": "jo"}), 400)


async def test_unknown_paths_and_methods_are_problems_too(client: Client) -> None:
    """404 and 405 have the same shape as every error; 405 says what would work."""
    assert (await problem(await client.get("/nowhere"), 404))["code"] == "unknown_route"
    response = await client.put("/things")
    assert (await problem(response, 405))["code"] == "method_not_allowed"
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/slow", 503, "unavailable"),
        ("/away", 503, "unavailable"),
        ("/bug", 500, "internal"),
        ("/remote-bug", 500, "internal"),
    ],
)
async def test_failures_of_ours_tell_nothing_about_us(client: Client, path: str, status: int, code: str) -> None:
    """An id to find the log line by, and whether to repeat."""
    response = await client.get(path)
    body = await problem(response, status)

    assert body["code"] == code
    assert "secret" not in str(body)
    assert ("Retry-After" in response.headers) == (status == 503)


async def test_positions_and_waiting_times_are_passed_on(client: Client) -> None:
    """Details with line and column; Retry-After in whole seconds."""
    response = await client.get("/refused")
    body = await problem(response, 429)

    assert body["details"] == [{"field": "raw_config", "message": "no", "line": 3, "column": 7}]
    assert response.headers["Retry-After"] == "2"


async def test_a_changed_version_comes_with_the_current_one(client: Client) -> None:
    """In the body and as the entity tag to use next."""
    response = await client.get("/changed")

    assert (await problem(response, 412))["current_version"] == 4
    assert response.headers["ETag"] == '"4"'


async def test_a_role_without_the_permission_is_refused_before_anything_runs(client: Client) -> None:
    """403 names the permission."""
    body = await problem(await client.delete("/things/1", headers={"Authorization": "jo"}), 403)

    assert (body["code"], "agent:delete" in body["error"]) == ("not_permitted", True)


async def test_a_caller_has_so_many_requests_and_is_told(client: Client) -> None:
    """RateLimit headers count down; then 429. Another caller is not affected."""
    left = []
    for _ in range(3):
        response = await client.get("/things/1", headers={"Authorization": "jo"})
        left.append(response.headers["RateLimit-Remaining"])
    refused = await client.get("/things/1", headers={"Authorization": "jo"})
    other = await client.get("/things/1", headers={"Authorization": "al"})

    assert left == ["2", "1", "0"]
    await problem(refused, 429)
    assert int(refused.headers["Retry-After"]) > 0
    assert other.status == 200


async def test_every_answer_carries_the_security_headers(client: Client) -> None:
    """Errors as well; nothing is cached, framed or sniffed."""
    for path in ("/nothing", "/nowhere", "/bug"):
        headers = (await client.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "opamp-platform"


async def test_a_request_id_goes_through_and_a_strange_one_does_not(client: Client) -> None:
    """Log lines cannot be forged through it."""
    kept = await client.get("/nowhere", headers={"X-Request-Id": "abc-123"})
    replaced = await client.get("/nowhere", headers={"X-Request-Id": 'a"b c'})

    assert kept.headers["X-Request-Id"] == "abc-123"
    assert len(replaced.headers["X-Request-Id"]) == 32


async def test_browsers_of_listed_origins_only(client: Client) -> None:
    """The original allowed every origin; here none unless listed."""
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = await client.options("/things", headers={"Origin": ORIGIN, **asking})
    other = await client.options("/things", headers={"Origin": "https://evil.example", **asking})
    simple = await client.get("/nowhere", headers={"Origin": ORIGIN})

    assert allowed.status == 204
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
    assert other.status == 405
    assert "Access-Control-Allow-Origin" not in other.headers
    assert simple.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in allowed.headers


async def test_head_is_answered_where_get_is(client: Client) -> None:
    """Without a body."""
    assert (await client.head("/nothing")).status == 204
