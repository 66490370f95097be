from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog
from aiohttp import web

from servicekit.errors import Conflict, Invalid, Kind, Problem, TooMany, Unauthenticated
from servicekit.health import Health
from servicekit.web import MIDDLEWARES, STATUS_OF, OpsServer


@pytest.fixture
async def health() -> Health:
    """Give the health of a started service."""
    health = Health()
    health.started = True
    return health


@pytest.fixture
async def ops(health: Health) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an ops server."""
    server = OpsServer(health, "127.0.0.1", 0, version="1.2.3")
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield client
    await server.stop()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a small application with the kit's middlewares."""

    async def fail(request: web.Request) -> web.Response:
        match request.match_info["what"]:
            case "conflict":
                raise Conflict("taken", details=[Problem("name", "taken", line=2, column=5)])
            case "many":
                raise TooMany("slow down", retry_after_seconds=7)
            case "who":
                raise Unauthenticated("who are you?")
            case "away":
                raise ConnectionRefusedError("postgres://user:hidden@db")
            case "bug":
                raise RuntimeError("hidden detail")
            case _:
                raise Invalid("bad")

    app = web.Application(middlewares=MIDDLEWARES)
    app.router.add_get("/fail/{what}", fail)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client
    await runner.cleanup()


async def test_an_error_is_problem_details(client: httpx.AsyncClient) -> None:
    """A refusal carries RFC 9457's keys, the original's keys, and where in the text the fault lies."""
    answer = await client.get("/fail/conflict", headers={"X-Request-Id": "abc"})
    body = answer.json()
    assert answer.status_code == 409
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.headers["x-request-id"] == "abc"
    assert body["title"] == body["error"] == "taken"
    assert body["details"] == [{"field": "name", "message": "taken", "line": 2, "column": 5}]
    assert (body["status"], body["code"], body["request_id"]) == (409, "conflict", "abc")


async def test_an_odd_request_id_is_replaced(client: httpx.AsyncClient) -> None:
    """A request id that could break a log or a header is not taken over."""
    answer = await client.get("/fail/other", headers={"X-Request-Id": "a b;c"})
    assert answer.headers["x-request-id"] != "a b;c"


async def test_headers_tell_when_and_how_to_come_back(client: httpx.AsyncClient) -> None:
    """Too many says when to retry; unauthenticated says how to authenticate."""
    assert (await client.get("/fail/many")).headers["retry-after"] == "7"
    assert (await client.get("/fail/who")).headers["www-authenticate"] == "Bearer"


async def test_what_is_inside_stays_inside(client: httpx.AsyncClient) -> None:
    """A bug and a missing server show nothing of themselves to the caller; the log has the bug."""
    with structlog.testing.capture_logs() as lines:
        bug, away = await client.get("/fail/bug"), await client.get("/fail/away")
    assert (bug.status_code, away.status_code) == (500, 503)
    assert "hidden" not in bug.text + away.text
    assert away.headers["retry-after"] == "1"
    assert [line["log_level"] for line in lines] == ["error", "warning"]


async def test_unknown_paths_are_problem_details_too(client: httpx.AsyncClient) -> None:
    """404 and 405 have the same shape as every other refusal."""
    missing = await client.get("/nothing")
    wrong = await client.post("/fail/x")
    assert (missing.status_code, missing.json()["code"]) == (404, "http_404")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET,HEAD")


def test_every_kind_has_a_status() -> None:
    """No kind of error is without an HTTP status."""
    assert set(STATUS_OF) == set(Kind)


async def test_liveness_never_depends_on_a_part(ops: httpx.AsyncClient, health: Health) -> None:
    """A missing database makes a service unready, not dead."""

    async def away() -> None:
        raise ConnectionError

    health.register("database", away, critical=True)
    assert (await ops.get("/health/live")).json() == {"alive": True}
    assert (await ops.get("/health/ready")).status_code == 503
    report = await ops.get("/health")
    assert report.status_code == 503
    assert report.json()["components"]["database"]["status"] == "unhealthy"
    assert report.json()["version"] == "1.2.3"


async def test_ready_and_scraped(ops: httpx.AsyncClient) -> None:
    """A well service is ready and shows metrics in the Prometheus format."""
    assert (await ops.get("/health/ready")).json() == {"ready": True}
    scrape = await ops.get("/metrics")
    assert scrape.headers["content-type"].startswith("text/plain")
    assert "servicekit_bus_connected" in scrape.text


async def test_the_log_level_can_be_read_and_changed(ops: httpx.AsyncClient) -> None:
    """PUT /log-level changes the level of the running process; nonsense is refused with what would work."""
    before = (await ops.get("/log-level")).json()["level"]
    try:
        assert (await ops.put("/log-level", content="error")).json() == {"level": "error"}
        assert logging.getLogger().level == logging.ERROR
        assert (await ops.put("/log-level", json={"level": "warning"})).json() == {"level": "warning"}
        refused = await ops.put("/log-level", content="loud")
        assert refused.status_code == 400
        assert "debug" in refused.json()["error"]
        assert (await ops.put("/log-level", content="{bad")).status_code == 400
    finally:
        logging.getLogger().setLevel(before.upper())
