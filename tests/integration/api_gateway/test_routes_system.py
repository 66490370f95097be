"""Health, metrics and documents on the API port."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from api_gateway.openapi import document_text
from api_gateway.permissions import Role
from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as agents
from world.eventually import wait_until


async def is_healthy(api: Any) -> bool:
    """Say whether nothing is wrong."""
    return bool((await api.call("GET", "/health")).body["status"] == "healthy")


async def test_health_as_the_original_had_it(api: Any, stand: Any, conforms: Any) -> None:
    """status, timestamp, version, components with latency; ready; live."""
    # Readiness was asked before: what agent-state said then is kept for a moment.
    stand.answer(subjects.GET_STATUS_SUMMARY, agents.GetStatusSummaryReply(live_gateways=1))
    await wait_until(partial(is_healthy, api))
    health = await api.call("GET", "/health")
    ready = await api.call("GET", "/health/ready")
    live = await api.call("GET", "/health/live")

    conforms(health, ("GET", "/health"))
    assert (health.status, health.body["status"]) == (200, "healthy")
    assert set(health.body["components"]) == {
        "database",
        "nats",
        "agent-state",
        "config-service",
        "package-service",
        "opamp",
    }
    assert (ready.body, live.body) == ({"ready": True}, {"alive": True})


async def test_a_fleet_without_gateways_shows(api: Any, conforms: Any) -> None:
    """agent-state is well and agents can connect nowhere: degraded, and it says why."""
    health = await api.call("GET", "/health")

    conforms(health, ("GET", "/health"))
    assert (health.status, health.body["status"]) == (200, "degraded")
    assert health.body["components"]["agent-state"]["status"] == "healthy"
    assert health.body["components"]["opamp"]["message"] == "no gateway is connected"


async def test_a_lost_database_shows_and_the_process_lives(api: Any, postgres_server: Any) -> None:
    """Unhealthy and not ready, 503 with Retry-After, and back by itself."""
    token = await api.as_role(Role.ADMIN)
    postgres_server.stop()
    try:
        health = await api.call("GET", "/health")
        ready = await api.call("GET", "/health/ready")
        live = await api.call("GET", "/health/live")
        users = await api.call("GET", "/api/v1/users", token=token)
        agents = await api.call("GET", "/api/v1/agents", token=token)
    finally:
        postgres_server.start()

    assert (health.status, health.body["components"]["database"]["status"]) == (503, "unhealthy")
    assert (ready.status, live.status) == (503, 200)
    assert (users.status, "Retry-After" in users.headers) == (503, True)
    assert agents.status == 200

    async def back() -> bool:
        return bool((await api.call("GET", "/api/v1/users", token=token)).status == 200)

    await wait_until(back)


async def test_metrics_need_a_token_and_have_bounded_labels(api: Any) -> None:
    """Names of the original; paths are templates, whatever strangers ask for."""
    token = await api.as_role(Role.VIEWER)
    for number in range(5):
        await api.call("GET", f"/nowhere/{number}")
        await api.call("GET", f"/api/v1/agents/{number}", token=token)

    refused = await api.call("GET", "/metrics")
    reply = await api.call("GET", "/metrics", token=token)

    assert refused.status == 401
    assert reply.status == 200
    for name in (
        "opamp_platform_http_requests_total",
        "opamp_platform_http_request_duration_seconds_bucket",
        "opamp_platform_http_request_size_bytes_bucket",
        "opamp_platform_http_response_size_bytes_bucket",
        "opamp_platform_db_connections_open",
        "opamp_platform_db_connections_idle",
        "opamp_platform_db_queries_total",
        "opamp_platform_db_query_duration_seconds_bucket",
        "api_gateway_throttle_keys",
    ):
        assert re.search(rf"^{name}[ {{]", reply.text, re.MULTILINE), name
    assert 'path="/api/v1/agents/{id}",status="404"' in reply.text
    assert 'path="unmatched",status="404"' in reply.text
    assert "nowhere" not in reply.text


async def test_the_document_is_served_as_committed(api: Any) -> None:
    """Under its own name and the original's."""
    reply = await api.call("GET", "/api/v1/openapi.json")
    alias = await api.call("GET", "/swagger/doc.json")

    assert reply.text == alias.text == document_text()


async def test_the_viewer_works_without_the_rest_of_the_world(api: Any) -> None:
    """Page, script and style from here, with a policy that allows nothing else."""
    for path in ("/swagger", "/swagger/"):
        redirect = await api.call("GET", path)
        assert (redirect.status, redirect.headers["Location"]) == (302, "/swagger/index.html")
    page = await api.call("GET", "/swagger/index.html")

    assert page.headers["Content-Type"].startswith("text/html")
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert (await api.call("GET", path)).status == 200, path


async def test_no_other_file_is_served(api: Any) -> None:
    """Only the viewer's own."""
    for path in ("/swagger/..%2f__init__.py", "/swagger/swagger-editor.js", "/swagger/x/y"):
        assert (await api.call("GET", path)).status == 404
