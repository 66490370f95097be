"""Connection settings: what agents are offered for OpAMP, their own telemetry and other destinations."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from api_gateway.compose import connection_settings as compose
from api_gateway.errors import Malformed, VersionChanged
from api_gateway.etag import IfMatch, format_etag, parse_if_match
from api_gateway.models import connection_settings as views
from api_gateway.models.paging import NoQuery, PageQuery
from api_gateway.models.system import Message
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry
from api_gateway.routes.agents import link_of, uid_of
from fleet.api.v1 import connection_settings_pb2 as messages
from servicekit.errors import NotFound, PreconditionFailed, Problem, ServiceError

routes = Registry()

_TAG = "connection settings"
_ROOT = "/api/v1/connection-settings"
_ONE = f"{_ROOT}/{{name}}"
_OF_AGENT = "/api/v1/agents/{id}/connection-settings"
_NAME: TypeAdapter[str] = TypeAdapter(views.SettingsName)


@routes.route(
    "GET",
    _ROOT,
    permission=Permission.CONNECTION_SETTINGS_READ,
    tag=_TAG,
    query=PageQuery,
    answers={200: views.ConnectionSettingsPage},
)
async def list_connection_settings(call: Call[PageQuery, None]) -> Answer:
    """List connection settings by name; secrets are shown as ***."""
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
    """Get connection settings; secrets are shown as ***."""
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

    A secret written as *** stays as it is stored, so that what was read can be edited and written. With If-Match the
    change is refused when somebody else was faster (412, with the current version).
    """
    name = _name(call)
    wanted = parse_if_match(call.headers.get("If-Match"))
    stored, expected = None, 0
    if compose.has_masks(call.body.settings) or not wanted.any_version:
        stored = await _stored(call, name)
        # Masked secrets and If-Match both speak of what was read here: nobody may come in between.
        expected = _expected(wanted, stored)
    policy = messages.ConnectionSettingsPolicy(
        tenant_id=call.tenant_id,
        name=name,
        selector=call.body.selector,
        priority=call.body.priority,
        settings=compose.settings_message(call.body.settings, stored.settings if stored else None),
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
    """Tell what an agent is offered, why, and how far it is; secrets are shown as ***."""
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


def _name(call: Call[NoQuery, views.ConnectionSettingsChange]) -> str:
    try:
        return _NAME.validate_python(call.path["name"])
    except ValidationError as error:
        public = "the name must be 1 to 128 letters, digits, dots, hyphens and underscores"
        raise Malformed(public, details=[Problem("name", public)]) from error


async def _stored(
    call: Call[NoQuery, views.ConnectionSettingsChange], name: str
) -> messages.ConnectionSettingsPolicy | None:
    try:
        return await call.parts.connection_settings.get(call.tenant_id, name)
    except NotFound:
        return None


def _expected(wanted: IfMatch, stored: messages.ConnectionSettingsPolicy | None) -> int:
    current = stored.version if stored else 0
    if not wanted.any_version and current not in wanted.versions - {0}:
        raise VersionChanged(_CHANGED.format(current or "none"), current_version=current or None)
    return current


_CHANGED = "the connection settings changed since you read them; their current version is {}"


async def _version_changed(call: Call[NoQuery, views.ConnectionSettingsChange], name: str) -> VersionChanged:
    try:
        current = (await call.parts.connection_settings.get(call.tenant_id, name)).version
    except ServiceError:
        return VersionChanged("the connection settings changed since you read them", current_version=None)
    return VersionChanged(_CHANGED.format(current), current_version=current)
