"""Connection settings: what agents are offered for OpAMP, their own telemetry and other destinations."""

from __future__ import annotations

from api_gateway.compose import connection_settings as compose
from api_gateway.errors import VersionChanged
from api_gateway.etag import format_etag, parse_if_match
from api_gateway.models import connection_settings as views
from api_gateway.models.paging import NoQuery, PageQuery
from api_gateway.models.system import Message
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry
from api_gateway.routes.agents import link_of, uid_of
from fleet.api.v1 import connection_settings_pb2 as messages
from servicekit.errors import NotFound, PreconditionFailed, ServiceError

routes = Registry()

_TAG = "connection settings"
_ROOT = "/api/v1/connection-settings"
_ONE = f"{_ROOT}/{{name}}"
_OF_AGENT = "/api/v1/agents/{id}/connection-settings"


@routes.route(
    "GET",
    _ROOT,
    permission=Permission.CONNECTION_SETTINGS_READ,
    tag=_TAG,
    query=PageQuery,
    answers={200: views.ConnectionSettingsPage},
)
async def list_connection_settings(call: Call[PageQuery, None]) -> Answer:
    """List connection settings by name; secrets are shown as [REDACTED]."""
    query = call.query
    reply = await call.parts.connection_settings.list_policies(call.tenant_id, query)
    page = compose.policy_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=link_of(call, page["next_cursor"]))


@routes.route(
    "GET",
    _ONE,
    permission=Permission.CONNECTION_SETTINGS_READ,
    tag=_TAG,
    answers={200: views.ConnectionSettings},
    errors=(404,),
    etag=True,
)
async def get_connection_settings(call: Call[NoQuery, None]) -> Answer:
    """Get connection settings; secrets are shown as [REDACTED]."""
    found = await call.parts.connection_settings.get(call.tenant_id, call.path["name"])
    return Answer(compose.policy_view(found), headers={"ETag": format_etag(found.version)})


@routes.route(
    "PUT",
    _ONE,
    permission=Permission.CONNECTION_SETTINGS_WRITE,
    tag=_TAG,
    body=views.ConnectionSettingsChange,
    answers={200: views.ConnectionSettings, 201: views.ConnectionSettings},
    errors=(412,),
    if_match=True,
    etag=True,
)
async def put_connection_settings(call: Call[NoQuery, views.ConnectionSettingsChange]) -> Answer:
    """
    Make connection settings, or replace them whole; the agents they match are offered them.

    A secret written as [REDACTED] stays as it is stored, so that what was read can be edited and written. With
    If-Match the change is refused when somebody else was faster (412, with the current version).
    """
    name, expected = call.path["name"], await _expected_version(call)
    policy = messages.ConnectionSettingsPolicy(
        tenant_id=call.tenant_id,
        name=name,
        selector=call.body.selector,
        priority=call.body.priority,
        settings=compose.settings_message(call.body.settings),
        author=call.principal.username,
    )
    try:
        reply = await call.parts.connection_settings.put(policy, expected_version=expected)
    except PreconditionFailed as error:
        raise await _version_changed(call, name) from error
    return Answer(
        compose.policy_view(reply.policy),
        status=201 if reply.created else 200,
        headers={"ETag": format_etag(reply.policy.version)},
    )


@routes.route(
    "DELETE",
    _ONE,
    permission=Permission.CONNECTION_SETTINGS_WRITE,
    tag=_TAG,
    answers={200: Message},
    errors=(404,),
)
async def delete_connection_settings(call: Call[NoQuery, None]) -> Answer:
    """Delete connection settings; agents keep what they have until others match them."""
    await call.parts.connection_settings.delete(call.tenant_id, call.path["name"])
    message: Message = {"message": "connection settings deleted"}
    return Answer(message)


@routes.route(
    "GET",
    _OF_AGENT,
    permission=Permission.CONNECTION_SETTINGS_READ,
    tag=_TAG,
    answers={200: views.AgentConnectionSettings},
    errors=(404,),
)
async def get_agent_connection_settings(call: Call[NoQuery, None]) -> Answer:
    """Tell what an agent is offered, why, and how far it is; secrets are shown as [REDACTED]."""
    uid = uid_of(call)
    return Answer(compose.agent_settings_view(uid, await call.parts.connection_settings.of_agent(call.tenant_id, uid)))


@routes.route(
    "POST",
    f"{_OF_AGENT}/retry",
    permission=Permission.AGENT_WRITE,
    tag=_TAG,
    answers={200: views.AgentConnectionSettings},
    errors=(404, 409),
)
async def retry_connection_settings(call: Call[NoQuery, None]) -> Answer:
    """Offer an agent again the connection settings that failed on it."""
    uid = uid_of(call)
    await call.parts.connection_settings.retry(call.tenant_id, uid, call.principal.username)
    return Answer(compose.agent_settings_view(uid, await call.parts.connection_settings.of_agent(call.tenant_id, uid)))


async def _expected_version(call: Call[NoQuery, views.ConnectionSettingsChange]) -> int:
    """Tell the version If-Match asks for; 0 = whatever is current."""
    wanted = parse_if_match(call.headers.get("If-Match"))
    if wanted.any_version:
        return 0
    try:
        current = (await call.parts.connection_settings.get(call.tenant_id, call.path["name"])).version
    except NotFound:
        current = 0
    if current not in wanted.versions - {0}:
        raise VersionChanged(_CHANGED.format(current or "none"), current_version=current or None)
    return current


_CHANGED = "the connection settings changed since you read them; their current version is {}"


async def _version_changed(call: Call[NoQuery, views.ConnectionSettingsChange], name: str) -> VersionChanged:
    try:
        current = (await call.parts.connection_settings.get(call.tenant_id, name)).version
    except ServiceError:
        return VersionChanged("the connection settings changed since you read them", current_version=None)
    return VersionChanged(_CHANGED.format(current), current_version=current)
