"""Questions other services ask on the bus: each is checked, looked up in one call, and answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from agent_state.agent import CONFIG_STATES, HEALTH_STATES, STATUSES
from agent_state.agent_query import Filter
from agent_state.checks import may_follow, tenant_of, text_of, uid_of
from agent_state.enrolment import APPROVALS
from agent_state.errors import AgentNotFound, ConnectionNotFound, InvalidQuery
from agent_state.paging import Position, encode_cursor, read_page, sort_column
from agent_state.views import agent_of, connection_of
from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as api
from fleet.api.v1.page_pb2 import PageReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from agent_state.agent_query import AgentQuery
    from agent_state.deletion import Deletion
    from agent_state.epochs import Epochs

MAX_EPOCHS = 10_000
MAX_SEARCH_CHARACTERS = 200
MAX_FILTER_LABELS = 32

_HISTORY_SORT = "-connected_at"

Handler = Callable[[Any], Awaitable["Message"]]


class Routes:
    """Answers for fleet.v1.api.agent-state.*."""

    def __init__(self, query: AgentQuery, epochs: Epochs, deletion: Deletion) -> None:
        self._query = query
        self._epochs = epochs
        self._deletion = deletion

    def handlers(self) -> Mapping[Any, Handler]:
        """Say who answers what."""
        return {
            subjects.LIST_AGENTS: self.list_agents,
            subjects.GET_AGENT: self.get_agent,
            subjects.DELETE_AGENT: self.delete_agent,
            subjects.GET_STATUS_SUMMARY: self.get_status_summary,
            subjects.LIST_CONNECTIONS: self.list_connections,
            subjects.GET_ACTIVE_CONNECTION: self.get_active_connection,
            subjects.ALLOCATE_EPOCHS: self.allocate_epochs,
        }

    async def list_agents(self, request: api.ListAgentsRequest) -> api.ListAgentsReply:
        """List agents: filtered, searched, sorted, in pages."""
        tenant_id = tenant_of(request.tenant_id)
        sort_column(request.sort)
        direction = "-" if request.descending else ""
        page = read_page(request.page, direction + request.sort)
        wanted = Filter(
            statuses=_choices("statuses", request.statuses, STATUSES),
            config_states=_choices("config_states", request.config_states, CONFIG_STATES),
            health_states=_choices("health_states", request.health_states, HEALTH_STATES),
            approvals=_choices("approvals", request.approvals, APPROVALS),
            search=text_of("search", request.search, MAX_SEARCH_CHARACTERS),
            labels=_labels(request.labels),
        )
        rows, total = await self._query.list(tenant_id, wanted, request.sort, page, descending=request.descending)
        cursor = ""
        if len(rows) == page.limit and may_follow(page.offset, len(rows), total, page.after):
            last = Position(rows[-1]["sort_value"], rows[-1]["agent_uid"].hex())
            cursor = encode_cursor(direction + request.sort, last)
        agents = [agent_of(row, whole=False) for row in rows]
        return api.ListAgentsReply(agents=agents, page=PageReply(total=total, next_cursor=cursor))

    async def get_agent(self, request: api.GetAgentRequest) -> api.GetAgentReply:
        """Tell everything about one agent."""
        row = await self._query.get(tenant_of(request.tenant_id), uid_of(request.instance_uid))
        if row is None:
            raise AgentNotFound
        return api.GetAgentReply(agent=agent_of(row, whole=True))

    async def delete_agent(self, request: api.DeleteAgentRequest) -> api.DeleteAgentReply:
        """Forget an agent and close its connection."""
        await self._deletion.delete(tenant_of(request.tenant_id), uid_of(request.instance_uid))
        return api.DeleteAgentReply()

    async def get_status_summary(self, request: api.GetStatusSummaryRequest) -> api.GetStatusSummaryReply:
        """Count agents by each of their states."""
        summary = await self._query.summary(tenant_of(request.tenant_id))
        return api.GetStatusSummaryReply(
            total=summary.total,
            by_status=summary.by_status,
            by_link=summary.by_link,
            by_health_state=summary.by_health_state,
            by_config_state=summary.by_config_state,
            live_gateways=summary.live_gateways,
        )

    async def list_connections(self, request: api.ListConnectionsRequest) -> api.ListConnectionsReply:
        """List an agent's connections, newest first."""
        tenant_id, uid = tenant_of(request.tenant_id), uid_of(request.instance_uid)
        page = read_page(request.page, _HISTORY_SORT)
        if page.after is not None and not page.after.row_id.isdecimal():
            raise InvalidQuery("cursor", "is not a cursor of this list; start again without one")
        rows, total = await self._query.history(tenant_id, uid, page)
        if not rows and not await self._query.exists(tenant_id, uid):
            raise AgentNotFound
        cursor = ""
        if len(rows) == page.limit and may_follow(page.offset, len(rows), total, page.after):
            last = Position(rows[-1]["connected_at"], str(rows[-1]["epoch"]))
            cursor = encode_cursor(_HISTORY_SORT, last)
        return api.ListConnectionsReply(
            connections=[connection_of(row) for row in rows],
            page=PageReply(total=total, next_cursor=cursor),
        )

    async def get_active_connection(self, request: api.GetActiveConnectionRequest) -> api.GetActiveConnectionReply:
        """Tell the open connection of an agent."""
        tenant_id, uid = tenant_of(request.tenant_id), uid_of(request.instance_uid)
        row = await self._query.active_connection(tenant_id, uid)
        if row is None:
            if await self._query.exists(tenant_id, uid):
                raise ConnectionNotFound
            raise AgentNotFound
        return api.GetActiveConnectionReply(connection=connection_of(row))

    async def allocate_epochs(self, request: api.AllocateEpochsRequest) -> api.AllocateEpochsReply:
        """Number the connections that wait at a gateway now."""
        if not 1 <= request.count <= MAX_EPOCHS:
            raise InvalidQuery("count", f"must be between 1 and {MAX_EPOCHS}")
        return api.AllocateEpochsReply(first=await self._epochs.allocate(request.count))


def _choices(field: str, values: Sequence[str], allowed: Sequence[str]) -> Sequence[str]:
    for value in values:
        if value not in allowed:
            raise InvalidQuery(field, f"must be among {', '.join(allowed)}")
    return tuple(dict.fromkeys(values))


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    if len(labels) > MAX_FILTER_LABELS:
        raise InvalidQuery("labels", f"at most {MAX_FILTER_LABELS} at once")
    return {text_of("labels", key, 256): text_of("labels", value, 1024) for key, value in labels.items()}
