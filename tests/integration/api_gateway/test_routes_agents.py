"""Agents over HTTP, with stand-ins for the services."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.errors import AgentNotFound
from api_gateway.permissions import Role
from contracts import subjects
from contracts.ids import format_uid
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import config_service_pb2 as configs
from fleet.api.v1.page_pb2 import PageReply
from servicekit.errors import Conflict, Invalid, NotFound, Problem

UID = bytes(range(16))
ID = format_uid(UID)
ROOT = "/api/v1/agents"
AGENT = agents.Agent(
    instance_uid=UID, name="collector", status="online", link="connected", last_seen_at=Timestamp(seconds=1)
)
DESIRED = configs.AgentConfiguration(instance_uid=UID, configuration_name="edge", version=2, state="applied")


@pytest.fixture
def fleet(stand: Any) -> Any:
    """Give services that know one agent."""

    def only_known(request: Any) -> Any:
        if request.instance_uid != UID:
            raise NotFound("there is no such agent")
        return agents.GetAgentReply(agent=AGENT)

    stand.answer(subjects.LIST_AGENTS, agents.ListAgentsReply(agents=[AGENT], page=PageReply(total=1)))
    stand.answer(subjects.GET_AGENT, only_known)
    stand.answer(subjects.GET_AGENT_CONFIGURATIONS, configs.GetAgentConfigurationsReply(agents=[DESIRED]))
    return stand


async def test_lists_take_filters_and_point_at_the_next_page(api: Any, fleet: Any, conforms: Any) -> None:
    """Every filter reaches agent-state; next_cursor stands in the body and in Link."""
    fleet.answer(
        subjects.LIST_AGENTS, agents.ListAgentsReply(agents=[AGENT], page=PageReply(total=9, next_cursor="abc"))
    )
    token = await api.as_role(Role.VIEWER)

    reply = await api.call(
        "GET",
        f"{ROOT}?status=online,error&health=healthy&config_state=failed&q=web&label.env=prod&label.team=a%20b"
        "&sort=-name&limit=1&offset=2",
        token=token,
    )

    asked = fleet.last(subjects.LIST_AGENTS)
    conforms(reply, ("GET", ROOT))
    assert reply.status == 200
    assert (list(asked.statuses), list(asked.health_states)) == (["online", "error"], ["healthy"])
    assert list(asked.config_states) == ["failed"]
    assert (asked.tenant_id, asked.search, asked.sort, asked.descending) == ("default", "web", "name", True)
    assert dict(asked.labels) == {"env": "prod", "team": "a b"}
    assert (asked.page.limit, asked.page.offset) == (1, 2)
    assert reply.body["next_cursor"] == "abc"
    assert reply.headers["Link"].endswith('&limit=1&cursor=abc>; rel="next"')
    assert "offset" not in reply.headers["Link"]
    assert reply.body["agents"][0]["last_seen_at"] == "1970-01-01T00:00:01Z"


async def test_a_page_that_cannot_be_is_refused_by_name(api: Any, conforms: Any) -> None:
    """The original returned everything, or nothing."""
    token = await api.as_role(Role.VIEWER)
    for query, field in (
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("offset=x", "offset"),
        ("sort=x", "sort"),
    ):
        reply = await api.call("GET", f"{ROOT}?{query}", token=token)

        conforms(reply, ("GET", ROOT))
        assert reply.status == 400
        assert reply.body["details"][0]["field"] == field
        assert field in reply.body["error"]


async def test_a_cursor_agent_state_refuses_is_the_callers_fault(api: Any, fleet: Any) -> None:
    """400 with the service's words."""

    def refuse(_: Any) -> Any:
        raise Invalid("the cursor is not one of this list", details=[Problem("cursor", "not of this list")])

    fleet.answer(subjects.LIST_AGENTS, refuse)

    reply = await api.call("GET", f"{ROOT}?cursor=zzz", token=await api.as_role(Role.VIEWER))

    assert (reply.status, reply.body["details"][0]["field"]) == (400, "cursor")


async def test_online_and_offline_at_both_addresses(api: Any, fleet: Any) -> None:
    """Seed 004 writes /api/agents, every other one /api/v1/agents; online is whoever is connected."""
    token = await api.as_role(Role.VIEWER)
    for root in (ROOT, "/api/agents"):
        for path, statuses, sort, limit in (
            ("/online", ["online", "error"], "last_connected_at", 1000),
            ("/offline", ["offline"], "last_disconnected_at", 20),
        ):
            reply = await api.call("GET", root + path, token=token)

            asked = fleet.last(subjects.LIST_AGENTS)
            assert reply.status == 200
            assert set(reply.body) >= {"agents", "total", "limit", "offset"}
            assert list(asked.statuses) == statuses
            assert (asked.sort, asked.descending, reply.body["limit"]) == (sort, True, limit)


async def test_the_summary_adds_up(api: Any, fleet: Any, conforms: Any) -> None:
    """{total, online, offline, status_counts}."""
    fleet.answer(
        subjects.GET_STATUS_SUMMARY,
        agents.GetStatusSummaryReply(total=100, by_status={"online": 75, "offline": 20, "error": 5}),
    )

    reply = await api.call("GET", f"{ROOT}/status/summary", token=await api.as_role(Role.VIEWER))

    conforms(reply, ("GET", f"{ROOT}/status/summary"))
    assert (reply.body["total"], reply.body["online"], reply.body["offline"]) == (100, 80, 20)


async def test_one_agent_in_detail_and_in_short(api: Any, fleet: Any, conforms: Any) -> None:
    """Detail, status, and 404 for one nobody knows or whose id cannot be one."""
    token = await api.as_role(Role.VIEWER)
    detail = await api.call("GET", f"{ROOT}/{ID}", token=token)
    status = await api.call("GET", f"{ROOT}/{ID}/status", token=token)
    missing = await api.call("GET", f"{ROOT}/{format_uid(bytes(16))}", token=token)
    odd = await api.call("GET", f"{ROOT}/not-an-id", token=token)

    conforms(detail, ("GET", ROOT + "/{id}"))
    conforms(status, ("GET", ROOT + "/{id}/status"))
    conforms(missing, ("GET", ROOT + "/{id}"))
    assert detail.body["configuration"]["version"] == 2
    assert status.body["status"] == "online"
    assert (missing.status, odd.status, odd.body["code"]) == (404, 404, "agent_not_found")
    assert fleet.last(subjects.GET_AGENT).tenant_id == "default"


async def test_deleting_an_agent_that_is_not_there_is_404(api: Any, fleet: Any) -> None:
    """The original said 200."""

    def refuse(_: Any) -> Any:
        raise NotFound("there is no such agent")

    token = await api.as_role(Role.OPERATOR)
    done = await api.call("DELETE", f"{ROOT}/{ID}", token=token)
    fleet.answer(subjects.DELETE_AGENT, refuse)
    missing = await api.call("DELETE", f"{ROOT}/{ID}", token=token)

    assert (done.status, done.body) == (200, {"message": "agent deleted"})
    assert missing.status == 404


async def test_connections_and_attempts_of_an_agent(api: Any, fleet: Any, conforms: Any) -> None:
    """connection-history, active-connection, apply-history with a status filter."""
    connection = agents.Connection(id=1, instance_uid=UID, connected_at=Timestamp(seconds=5), remote_address="a:1")
    fleet.answer(
        subjects.LIST_CONNECTIONS, agents.ListConnectionsReply(connections=[connection], page=PageReply(total=1))
    )
    fleet.answer(subjects.GET_ACTIVE_CONNECTION, agents.GetActiveConnectionReply(connection=connection))
    fleet.answer(
        subjects.LIST_ATTEMPTS,
        configs.ListAttemptsReply(
            attempts=[configs.Attempt(id=1, instance_uid=UID, status="failed")],
            page=PageReply(total=1),
            status_counts={"failed": 1, "applied": 3},
        ),
    )
    token = await api.as_role(Role.VIEWER)

    history = await api.call("GET", f"{ROOT}/{ID}/connection-history?limit=5&offset=1", token=token)
    active = await api.call("GET", f"/api/agents/{ID}/active-connection", token=token)
    attempts = await api.call("GET", f"{ROOT}/{ID}/apply-history?status=failed", token=token)

    conforms(history, ("GET", ROOT + "/{id}/connection-history"))
    conforms(active, ("GET", ROOT + "/{id}/active-connection"))
    conforms(attempts, ("GET", ROOT + "/{id}/apply-history"))
    assert history.body["histories"][0]["remote_addr"] == "a:1"
    assert active.body["disconnected_at"] is None
    assert attempts.body["status_counts"] == {"failed": 1, "applied": 3}
    assert fleet.last(subjects.LIST_ATTEMPTS).instance_uid == UID
    assert list(fleet.last(subjects.LIST_ATTEMPTS).statuses) == ["failed"]


async def test_an_unknown_agent_is_one_error_everywhere(api: Any, fleet: Any) -> None:
    """One status, one code, one sentence, whoever found out; also where config-service alone knows nothing."""

    def refuse(_: Any) -> Any:
        raise AgentNotFound

    for method in (subjects.GET_AGENT, subjects.LIST_CONNECTIONS, subjects.GET_ACTIVE_CONNECTION):
        fleet.answer(method, refuse)
    fleet.answer(subjects.GET_AGENT_CONFIGURATIONS, configs.GetAgentConfigurationsReply())
    token = await api.as_role(Role.VIEWER)

    replies = [
        await api.call("GET", f"{ROOT}/{agent}{path}", token=token)
        for agent in (format_uid(bytes(16)), "not-an-id")
        for path in ("", "/status", "/apply-history", "/connection-history", "/active-connection", "/configuration")
    ]

    said = {(reply.status, reply.body["code"], reply.body["error"]) for reply in replies}
    assert said == {(404, "agent_not_found", "There is no such agent.")}


async def test_a_configuration_is_assigned_retried_and_taken_away(api: Any, fleet: Any, conforms: Any) -> None:
    """Who asked travels along; why the agent gets it is answered."""
    fleet.answer(subjects.ASSIGN_CONFIGURATION, configs.AssignConfigurationReply(agent=DESIRED))
    fleet.answer(subjects.CLEAR_FAILURE, configs.ClearFailureReply(agent=DESIRED))
    token = await api.as_role(Role.OPERATOR)
    path = f"{ROOT}/{ID}/configuration"

    why = await api.call("GET", path, token=token)
    assigned = await api.call("PUT", path, token=token, json={"configuration_name": "edge"})
    wanted = fleet.last(subjects.ASSIGN_CONFIGURATION)
    retried = await api.call("POST", f"{path}/retry", token=token)
    removed = await api.call("DELETE", path, token=token)
    empty = await api.call("PUT", path, token=token, json={"configuration_name": ""})

    conforms(why, ("GET", ROOT + "/{id}/configuration"))
    assert (why.body["configuration_name"], why.body["state"]) == ("edge", "applied")
    assert (assigned.status, retried.status, removed.status) == (200, 200, 200)
    assert (wanted.name, wanted.author) == ("edge", "the-operator")
    assert fleet.last(subjects.ASSIGN_CONFIGURATION).name == ""
    assert fleet.last(subjects.CLEAR_FAILURE).author == "the-operator"
    assert empty.status == 422


async def test_refusals_of_config_service_are_passed_on(api: Any, fleet: Any) -> None:
    """Kind, code, sentence and details of the other side."""

    class NothingFailed(Conflict):
        code = "nothing_failed"

    def refuse(_: Any) -> Any:
        raise NothingFailed("nothing failed on this agent — nichts zu tun")

    fleet.answer(subjects.CLEAR_FAILURE, refuse)
    fleet.answer(subjects.GET_AGENT_CONFIGURATIONS, configs.GetAgentConfigurationsReply())
    token = await api.as_role(Role.OPERATOR)

    reply = await api.call("POST", f"{ROOT}/{ID}/configuration/retry", token=token)
    unknown = await api.call("GET", f"{ROOT}/{ID}/configuration", token=token)

    assert (reply.status, reply.body["code"]) == (409, "nothing_failed")
    assert reply.body["error"] == "nothing failed on this agent — nichts zu tun"
    assert unknown.status == 404


class TestWithoutConfigService:
    """agent-state answers, config-service is away."""

    @pytest.fixture
    async def stand(self, nats_url: str) -> Any:
        """Open agent-state only."""
        from servicekit.bus import Bus  # noqa: PLC0415 - only here

        from .conftest import Stand  # noqa: PLC0415 - the fixture's own class

        bus = await Bus.connect(nats_url, name="stand")
        stand = Stand(bus)
        await stand.open(subjects.AGENT_STATE)
        yield stand
        await bus.close()

    async def test_agents_are_listed_without_names(self, api: Any, stand: Any) -> None:
        """With a header that says so; /health says degraded; what needs config-service is 503."""
        stand.answer(subjects.LIST_AGENTS, agents.ListAgentsReply(agents=[AGENT], page=PageReply(total=1)))
        stand.answer(subjects.GET_AGENT, agents.GetAgentReply(agent=AGENT))
        token = await api.as_role(Role.VIEWER)

        listed = await api.call("GET", ROOT, token=token)
        detail = await api.call("GET", f"{ROOT}/{ID}", token=token)
        health = await api.call("GET", "/health")
        configurations = await api.call("GET", "/api/v1/configurations", token=token)

        assert listed.status == 200
        assert listed.body["agents"][0]["configuration_name"] is None
        assert "config-service" in listed.headers["X-Warning"]
        assert (detail.status, detail.body["configuration"]) == (200, None)
        assert (health.status, health.body["status"]) == (200, "degraded")
        assert health.body["components"]["config-service"]["status"] == "unhealthy"
        assert (configurations.status, configurations.headers["Retry-After"]) == (503, "1")
