"""Questions other services ask on the bus: each is checked, looked up in one call, and answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent_state.agent import CONFIG_STATES, HEALTH_STATES, STATUSES
from agent_state.agent_query import Filter
from agent_state.errors import (
    AgentNotFound,
    ConnectionNotFound,
    InvalidQuery,
    TokenNotFound,
    UnknownToken,
)
from agent_state.paging import Position, encode_cursor, read_page, sort_column
from agent_state.views import agent_of, connection_of, token_of
from contracts import subjects
from contracts.ids import UID_LENGTH, is_tenant_id
from fleet.api.v1 import agent_state_pb2 as api
from fleet.api.v1.page_pb2 import PageReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from agent_state.agent_query import AgentQuery
    from agent_state.deletion import Deletion
    from agent_state.epochs import Epochs
    from agent_state.token_store import TokenStore

MAX_EPOCHS = 10_000
MAX_NAME_CHARACTERS = 200
MAX_SEARCH_CHARACTERS = 200
MAX_FILTER_LABELS = 32
MAX_LIFETIME_SECONDS = 10 * 365 * 24 * 3600
HASH_LENGTH = 32

_HISTORY_SORT = "-connected_at"
_TOKEN_SORT = "-created_at"  # noqa: S105 - a sort key

Handler = Callable[[Any], Awaitable["Message"]]


class Routes:
    """Answers for fleet.v1.api.agent-state.*."""

    def __init__(self, query: AgentQuery, tokens: TokenStore, epochs: Epochs, deletion: Deletion) -> None:
        self._query = query
        self._tokens = tokens
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
            subjects.VERIFY_ENROLMENT_TOKEN: self.verify_enrolment_token,
            subjects.CREATE_ENROLMENT_TOKEN: self.create_enrolment_token,
            subjects.LIST_ENROLMENT_TOKENS: self.list_enrolment_tokens,
            subjects.REVOKE_ENROLMENT_TOKEN: self.revoke_enrolment_token,
        }

    async def list_agents(self, request: api.ListAgentsRequest) -> api.ListAgentsReply:
        """List agents: filtered, searched, sorted, in pages."""
        tenant_id = _tenant(request.tenant_id)
        sort_column(request.sort)
        direction = "-" if request.descending else ""
        page = read_page(request.page, direction + request.sort)
        wanted = Filter(
            statuses=_choices("statuses", request.statuses, STATUSES),
            config_states=_choices("config_states", request.config_states, CONFIG_STATES),
            health_states=_choices("health_states", request.health_states, HEALTH_STATES),
            search=_text("search", request.search, MAX_SEARCH_CHARACTERS),
            labels=_labels(request.labels),
        )
        rows, total = await self._query.list(tenant_id, wanted, request.sort, page, descending=request.descending)
        cursor = ""
        if len(rows) == page.limit and _more(page.offset, len(rows), total, page.after):
            last = Position(rows[-1]["sort_value"], rows[-1]["agent_uid"].hex())
            cursor = encode_cursor(direction + request.sort, last)
        agents = [agent_of(row, whole=False) for row in rows]
        return api.ListAgentsReply(agents=agents, page=PageReply(total=total, next_cursor=cursor))

    async def get_agent(self, request: api.GetAgentRequest) -> api.GetAgentReply:
        """Tell everything about one agent."""
        row = await self._query.get(_tenant(request.tenant_id), _uid(request.instance_uid))
        if row is None:
            raise AgentNotFound
        return api.GetAgentReply(agent=agent_of(row, whole=True))

    async def delete_agent(self, request: api.DeleteAgentRequest) -> api.DeleteAgentReply:
        """Forget an agent and close its connection."""
        await self._deletion.delete(_tenant(request.tenant_id), _uid(request.instance_uid))
        return api.DeleteAgentReply()

    async def get_status_summary(self, request: api.GetStatusSummaryRequest) -> api.GetStatusSummaryReply:
        """Count agents by each of their states."""
        summary = await self._query.summary(_tenant(request.tenant_id))
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
        tenant_id, uid = _tenant(request.tenant_id), _uid(request.instance_uid)
        page = read_page(request.page, _HISTORY_SORT)
        if page.after is not None and not page.after.row_id.isdecimal():
            raise InvalidQuery("cursor", "is not a cursor of this list; start again without one")
        rows, total = await self._query.history(tenant_id, uid, page)
        if not rows and not await self._query.exists(tenant_id, uid):
            raise AgentNotFound
        cursor = ""
        if len(rows) == page.limit and _more(page.offset, len(rows), total, page.after):
            last = Position(rows[-1]["connected_at"], str(rows[-1]["epoch"]))
            cursor = encode_cursor(_HISTORY_SORT, last)
        return api.ListConnectionsReply(
            connections=[connection_of(row) for row in rows],
            page=PageReply(total=total, next_cursor=cursor),
        )

    async def get_active_connection(self, request: api.GetActiveConnectionRequest) -> api.GetActiveConnectionReply:
        """Tell the open connection of an agent."""
        tenant_id, uid = _tenant(request.tenant_id), _uid(request.instance_uid)
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

    async def verify_enrolment_token(self, request: api.VerifyEnrolmentTokenRequest) -> api.VerifyEnrolmentTokenReply:
        """Tell whose token it is."""
        if len(request.token_hash) != HASH_LENGTH:
            raise InvalidQuery("token_hash", f"must be {HASH_LENGTH} bytes")
        token = await self._tokens.verify(request.token_hash)
        if token is None:
            raise UnknownToken
        reply = api.VerifyEnrolmentTokenReply(tenant_id=token.tenant_id, token_id=token.id)
        if token.expires_at is not None:
            reply.expires_at.FromDatetime(token.expires_at)
        return reply

    async def create_enrolment_token(self, request: api.CreateEnrolmentTokenRequest) -> api.CreateEnrolmentTokenReply:
        """Make a token; its text is in this answer and nowhere else."""
        tenant_id = _tenant(request.tenant_id)
        name = _text("name", request.name.strip(), MAX_NAME_CHARACTERS)
        if not name:
            raise InvalidQuery("name", "must not be empty")
        if request.lifetime_seconds > MAX_LIFETIME_SECONDS:
            raise InvalidQuery("lifetime_seconds", f"must be at most {MAX_LIFETIME_SECONDS}; 0 never expires")
        lifetime = timedelta(seconds=request.lifetime_seconds) if request.lifetime_seconds else None
        created_by = _text("created_by", request.created_by, MAX_NAME_CHARACTERS)
        token, secret = await self._tokens.create(tenant_id, name, created_by, lifetime)
        return api.CreateEnrolmentTokenReply(token=token_of(token), secret=secret)

    async def list_enrolment_tokens(self, request: api.ListEnrolmentTokensRequest) -> api.ListEnrolmentTokensReply:
        """List tokens, newest first, without their texts."""
        page = read_page(request.page, _TOKEN_SORT)
        after = None
        if page.after is not None and isinstance(page.after.value, datetime):
            after = (page.after.value, page.after.row_id)
        tokens, total = await self._tokens.list(_tenant(request.tenant_id), page.limit, page.offset, after)
        cursor = ""
        if len(tokens) == page.limit and _more(page.offset, len(tokens), total, page.after):
            cursor = encode_cursor(_TOKEN_SORT, Position(tokens[-1].created_at, tokens[-1].id))
        return api.ListEnrolmentTokensReply(
            tokens=[token_of(token) for token in tokens], page=PageReply(total=total, next_cursor=cursor)
        )

    async def revoke_enrolment_token(self, request: api.RevokeEnrolmentTokenRequest) -> api.RevokeEnrolmentTokenReply:
        """Revoke a token for ever."""
        token = await self._tokens.revoke(_tenant(request.tenant_id), _text("id", request.id, 64))
        if token is None:
            raise TokenNotFound
        return api.RevokeEnrolmentTokenReply(token=token_of(token))


def _tenant(tenant_id: str) -> str:
    if not is_tenant_id(tenant_id):
        raise InvalidQuery("tenant_id", "is not a tenant id")
    return tenant_id


def _uid(uid: bytes) -> bytes:
    if len(uid) != UID_LENGTH:
        raise InvalidQuery("instance_uid", f"must be {UID_LENGTH} bytes")
    return uid


def _text(field: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise InvalidQuery(field, f"must be at most {limit} characters")
    if "\x00" in text:
        raise InvalidQuery(field, "must not contain NUL")
    return text


def _choices(field: str, values: Sequence[str], allowed: Sequence[str]) -> Sequence[str]:
    for value in values:
        if value not in allowed:
            raise InvalidQuery(field, f"must be among {', '.join(allowed)}")
    return tuple(dict.fromkeys(values))


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    if len(labels) > MAX_FILTER_LABELS:
        raise InvalidQuery("labels", f"at most {MAX_FILTER_LABELS} at once")
    return {_text("labels", key, 256): _text("labels", value, 1024) for key, value in labels.items()}


def _more(offset: int, rows: int, total: int, after: Position | None) -> bool:
    """Say whether another page may follow; with a cursor only an incomplete page proves the end."""
    return after is not None or offset + rows < total
