"""Agents: lists, one agent, its connections, its configuration."""

from __future__ import annotations

from typing import Any

import structlog

from api_gateway import metrics
from api_gateway.compose import agents as compose
from api_gateway.compose.configurations import attempt_page_view
from api_gateway.errors import AgentNotFound
from api_gateway.models import agents as views
from api_gateway.models.configurations import ApplyHistoryPage, AttemptQuery
from api_gateway.models.paging import NoQuery, PageQuery
from api_gateway.models.system import Message
from api_gateway.paging import next_link
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry
from contracts.ids import AgentUid, parse_uid
from fleet.api.v1 import agent_state_pb2, config_service_pb2
from servicekit.errors import Problem, Unavailable

log = structlog.get_logger()

routes = Registry()

NAMES_MISSING = "config-service does not answer: configuration names are left out"
_TAG = "agents"


def _at(path: str) -> dict[str, Any]:
    """Path under /api/v1 and, as seed 004 writes it, under /api."""
    return {"path": f"/api/v1/agents{path}", "aliases": (f"/api/agents{path}",), "tag": _TAG}


@routes.route(
    "GET", **_at(""), permission=Permission.AGENT_READ, query=views.AgentQuery, answers={200: views.AgentPage}
)
async def list_agents(call: Call[views.AgentQuery, None]) -> Answer:
    """
    List agents.

    Newest first unless sorted otherwise. Filters add up; labels are given as label.<key>=<value>.
    """
    return await _agent_page(call, call.query)


@routes.route(
    "GET", **_at("/online"), permission=Permission.AGENT_READ, query=views.OnlineQuery, answers={200: views.AgentPage}
)
async def list_online_agents(call: Call[views.OnlineQuery, None]) -> Answer:
    """
    List connected agents, those with an error included.

    Their number is `online` of the status summary.
    """
    page = call.query
    query = views.AgentQuery(
        limit=page.limit,
        offset=page.offset,
        cursor=page.cursor,
        status=("online", "error"),
        sort="-last_connected_at",
    )
    return await _agent_page(call, query)


@routes.route(
    "GET", **_at("/offline"), permission=Permission.AGENT_READ, query=PageQuery, answers={200: views.AgentPage}
)
async def list_offline_agents(call: Call[PageQuery, None]) -> Answer:
    """List agents that are not connected, the last to leave first."""
    page = call.query
    query = views.AgentQuery(
        limit=page.limit,
        offset=page.offset,
        cursor=page.cursor,
        status=("offline",),
        sort="-last_disconnected_at",
    )
    return await _agent_page(call, query)


@routes.route("GET", **_at("/status/summary"), permission=Permission.AGENT_READ, answers={200: views.StatusSummary})
async def get_status_summary(call: Call[NoQuery, None]) -> Answer:
    """Count agents by state."""
    return Answer(compose.summary_view(await call.parts.agents.summary(call.tenant_id)))


@routes.route("GET", **_at("/{id}"), permission=Permission.AGENT_READ, answers={200: views.AgentDetail}, errors=(404,))
async def get_agent(call: Call[NoQuery, None]) -> Answer:
    """Get one agent with everything it reported."""
    agent = await call.parts.agents.get_agent(call.tenant_id, uid_of(call))
    configurations, headers = await configurations_of(call, [agent])
    return Answer(compose.agent_detail_view(agent, configurations.get(agent.instance_uid)), headers=headers)


@routes.route("DELETE", **_at("/{id}"), permission=Permission.AGENT_DELETE, answers={200: Message}, errors=(404,))
async def delete_agent(call: Call[NoQuery, None]) -> Answer:
    """
    Forget an agent and close its connection.

    An agent that still runs connects again and is known anew, with its full description.
    """
    await call.parts.agents.delete_agent(call.tenant_id, uid_of(call))
    message: Message = {"message": "agent deleted"}
    return Answer(message)


@routes.route(
    "GET", **_at("/{id}/status"), permission=Permission.AGENT_READ, answers={200: views.AgentStatus}, errors=(404,)
)
async def get_agent_status(call: Call[NoQuery, None]) -> Answer:
    """Get the state of one agent."""
    return Answer(compose.agent_status_view(await call.parts.agents.get_agent(call.tenant_id, uid_of(call))))


@routes.route(
    "GET",
    **_at("/{id}/connection-history"),
    permission=Permission.AGENT_READ,
    query=PageQuery,
    answers={200: views.ConnectionHistoryPage},
    errors=(404,),
)
async def list_connections(call: Call[PageQuery, None]) -> Answer:
    """List the connections of an agent, newest first."""
    query = call.query
    reply = await call.parts.agents.list_connections(call.tenant_id, uid_of(call), query)
    page = compose.connection_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=link_of(call, page["next_cursor"]))


@routes.route(
    "GET",
    **_at("/{id}/active-connection"),
    permission=Permission.AGENT_READ,
    answers={200: views.ConnectionHistory},
    errors=(404,),
)
async def get_active_connection(call: Call[NoQuery, None]) -> Answer:
    """Get the open connection of an agent; 404 when it is not connected."""
    return Answer(compose.connection_view(await call.parts.agents.active_connection(call.tenant_id, uid_of(call))))


@routes.route(
    "GET",
    **_at("/{id}/apply-history"),
    permission=Permission.AGENT_READ,
    query=AttemptQuery,
    answers={200: ApplyHistoryPage},
    errors=(404,),
)
async def list_agent_attempts(call: Call[AttemptQuery, None]) -> Answer:
    """List every attempt to make the agent run a configuration, newest first."""
    query, uid = call.query, uid_of(call)
    await call.parts.agents.check_known(call.tenant_id, uid)
    reply = await call.parts.configurations.list_attempts(call.tenant_id, query, uid=uid)
    page = attempt_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=link_of(call, page["next_cursor"]))


@routes.route(
    "GET",
    **_at("/{id}/configuration"),
    permission=Permission.AGENT_READ,
    answers={200: views.AgentConfiguration},
    errors=(404,),
)
async def get_agent_configuration(call: Call[NoQuery, None]) -> Answer:
    """Tell which configuration an agent gets, why, and how far it is."""
    uid = uid_of(call)
    known = await call.parts.configurations.of_agents(call.tenant_id, [uid])
    if uid not in known:
        raise AgentNotFound
    return Answer(compose.agent_configuration_view(known[uid]))


@routes.route(
    "PUT",
    **_at("/{id}/configuration"),
    permission=Permission.AGENT_WRITE,
    body=views.Assignment,
    answers={200: views.AgentConfiguration},
    errors=(404, 409),
)
async def assign_configuration(call: Call[NoQuery, views.Assignment]) -> Answer:
    """Make an agent run one configuration, whatever selectors say."""
    assigned = await call.parts.configurations.assign(
        call.tenant_id, uid_of(call), call.body.configuration_name, call.principal.username
    )
    return Answer(compose.agent_configuration_view(assigned))


@routes.route(
    "DELETE",
    **_at("/{id}/configuration"),
    permission=Permission.AGENT_WRITE,
    answers={200: views.AgentConfiguration},
    errors=(404, 409),
)
async def unassign_configuration(call: Call[NoQuery, None]) -> Answer:
    """Take the assignment away; selectors decide again."""
    assigned = await call.parts.configurations.assign(call.tenant_id, uid_of(call), "", call.principal.username)
    return Answer(compose.agent_configuration_view(assigned))


@routes.route(
    "POST",
    **_at("/{id}/configuration/retry"),
    permission=Permission.AGENT_WRITE,
    answers={200: views.AgentConfiguration},
    errors=(404, 409),
)
async def retry_configuration(call: Call[NoQuery, None]) -> Answer:
    """
    Offer a configuration again that failed on this agent.

    A configuration an agent reported as failed is not offered to it again until somebody says so here, or its
    content changes.
    """
    cleared = await call.parts.configurations.clear_failure(call.tenant_id, uid_of(call), call.principal.username)
    return Answer(compose.agent_configuration_view(cleared))


async def _agent_page(call: Call[Any, None], query: views.AgentQuery) -> Answer:
    reply = await call.parts.agents.list_agents(call.tenant_id, query)
    configurations, headers = await configurations_of(call, reply.agents)
    page = compose.agent_page_view(reply, configurations, limit=query.limit, offset=query.offset)
    return Answer(page, headers={**headers, **link_of(call, page["next_cursor"])})


async def configurations_of(
    call: Call[Any, Any], agents: Any
) -> tuple[dict[bytes, config_service_pb2.AgentConfiguration], dict[str, str]]:
    """Ask what these agents should run; without config-service the rest of the answer still stands."""
    found: list[agent_state_pb2.Agent] = list(agents)
    try:
        known = await call.parts.configurations.of_agents(call.tenant_id, [agent.instance_uid for agent in found])
    except Unavailable as error:
        metrics.DEGRADED.labels("config-service").inc()
        log.warning("answer_degraded", missing="config-service", error=error.public)
        return {}, {"X-Warning": NAMES_MISSING}
    return known, {}


def uid_of(call: Call[Any, Any]) -> AgentUid:
    """
    Read the agent a path names.

    Raises:
        AgentNotFound: No agent can have that id.
    """
    try:
        return parse_uid(call.path["id"])
    except ValueError as error:
        raise AgentNotFound(details=[Problem("id", str(error))]) from error


def link_of(call: Call[Any, Any], next_cursor: str | None) -> dict[str, str]:
    """Point at the next page, if there is one."""
    return {"Link": next_link(call.url_path, call.url_query, next_cursor)} if next_cursor else {}
