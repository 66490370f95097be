"""Configurations: documents with versions, and what became of them on agents."""

from __future__ import annotations

from typing import Any

from api_gateway.compose import configurations as compose
from api_gateway.errors import Malformed, NothingPushed, VersionChanged
from api_gateway.etag import format_etag, parse_if_match
from api_gateway.models import configurations as views
from api_gateway.models.paging import NoQuery, PageQuery
from api_gateway.models.system import Message
from api_gateway.paging import next_link
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry
from contracts.ids import AgentUid, parse_uid
from servicekit.errors import PreconditionFailed, Problem, ServiceError

routes = Registry()

_TAG = "configurations"
_ROOT = "/api/v1/configurations"
_ONE = f"{_ROOT}/{{name}}"
MAX_VERSION = 2**63 - 1


@routes.route(
    "GET",
    _ROOT,
    permission=Permission.CONFIGURATION_READ,
    tag=_TAG,
    query=views.ConfigurationQuery,
    answers={200: views.ConfigurationPage},
)
async def list_configurations(call: Call[views.ConfigurationQuery, None]) -> Answer:
    """List configurations, by name unless sorted otherwise."""
    query = call.query
    reply = await call.parts.configurations.list_configurations(call.tenant_id, query)
    page = compose.configuration_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=_link(call, page["next_cursor"]))


@routes.route(
    "POST",
    _ROOT,
    permission=Permission.CONFIGURATION_WRITE,
    tag=_TAG,
    query=views.DryRunQuery,
    body=views.NewConfiguration,
    answers={201: views.Configuration, 200: views.Configuration},
    errors=(409,),
    etag=True,
)
async def create_configuration(call: Call[views.DryRunQuery, views.NewConfiguration]) -> Answer:
    """
    Make a configuration; its first version.

    With dry_run it is only checked: 200, and nothing is stored.
    """
    made = await call.parts.configurations.create(
        call.tenant_id, call.body, call.principal.username, dry_run=call.query.dry_run
    )
    headers = {} if call.query.dry_run else {"Location": f"{_ROOT}/{made.name}"}
    return Answer(
        compose.configuration_view(made),
        status=200 if call.query.dry_run else 201,
        headers={**headers, "ETag": format_etag(made.version)},
    )


@routes.route(
    "GET",
    _ONE,
    permission=Permission.CONFIGURATION_READ,
    tag=_TAG,
    answers={200: views.Configuration},
    errors=(404,),
    etag=True,
)
async def get_configuration(call: Call[NoQuery, None]) -> Answer:
    """Get the current version of a configuration."""
    found = await call.parts.configurations.get(call.tenant_id, call.path["name"])
    return Answer(compose.configuration_view(found), headers={"ETag": format_etag(found.version)})


async def _change(call: Call[views.DryRunQuery, views.ConfigurationChange]) -> Answer:
    expected = await _expected_version(call)
    try:
        reply = await call.parts.configurations.update(
            call.tenant_id,
            call.path["name"],
            call.body,
            call.principal.username,
            expected_version=expected,
            dry_run=call.query.dry_run,
        )
    except PreconditionFailed as error:
        raise await _version_changed(call) from error
    made = reply.configuration
    return Answer(compose.configuration_view(made), headers={"ETag": format_etag(made.version)})


_CHANGE: dict[str, Any] = {
    "permission": Permission.CONFIGURATION_WRITE,
    "tag": _TAG,
    "query": views.DryRunQuery,
    "body": views.ConfigurationChange,
    "answers": {200: views.Configuration},
    "errors": (404, 409, 412),
    "if_match": True,
    "etag": True,
}


@routes.route("PUT", _ONE, **_CHANGE)
async def replace_configuration(call: Call[views.DryRunQuery, views.ConfigurationChange]) -> Answer:
    """
    Change a configuration; fields left out keep their value.

    Every change makes a version, and agents that should run it are offered it; a change that changes nothing makes
    none. With If-Match the change is refused when somebody else was faster (412, with the current version).
    """
    return await _change(call)


@routes.route("PATCH", _ONE, **_CHANGE)
async def change_configuration(call: Call[views.DryRunQuery, views.ConfigurationChange]) -> Answer:
    """Change a configuration; the same as PUT, under the name the standard has for it."""
    return await _change(call)


@routes.route(
    "DELETE",
    _ONE,
    permission=Permission.CONFIGURATION_DELETE,
    tag=_TAG,
    answers={200: Message},
    errors=(404, 409, 412),
    if_match=True,
)
async def delete_configuration(call: Call[NoQuery, None]) -> Answer:
    """Delete a configuration; what agents were told of it stays in their apply history."""
    expected = await _expected_version(call)
    try:
        await call.parts.configurations.delete(
            call.tenant_id, call.path["name"], call.principal.username, expected_version=expected
        )
    except PreconditionFailed as error:
        raise await _version_changed(call) from error
    message: Message = {"message": "configuration deleted"}
    return Answer(message)


@routes.route(
    "POST",
    f"{_ONE}/push",
    permission=Permission.CONFIGURATION_PUSH,
    tag=_TAG,
    query=views.PushQuery,
    body=views.PushTargets,
    body_required=False,
    answers={200: views.PushResult},
    errors=(404, 409),
)
async def push_configuration(call: Call[views.PushQuery, views.PushTargets]) -> Answer:
    """
    Offer a configuration again, to some agents or to every connected agent that should run it.

    Configurations reach their agents without this; it is for offering one again, also where it failed, and for
    giving it to agents its selector does not match. 409 when every agent refused.
    """
    uids = _uids([*call.query.agent_id, *call.body.agent_ids])
    reply = await call.parts.configurations.push(call.tenant_id, call.path["name"], uids, call.principal.username)
    result = compose.push_view(call.path["name"], reply)
    if result["failed"] and not result["affected_agents"]:
        raise NothingPushed(
            f"none of {result['total']} agents could be offered the configuration",
            details=[Problem(failure["agent_id"], failure["reason"]) for failure in result["failures"]],
            extra={
                "affected_agents": [],
                "failed_agents": result["failed_agents"],
                "total": result["total"],
                "failed": result["failed"],
            },
        )
    return Answer(result)


@routes.route(
    "GET",
    f"{_ONE}/history",
    permission=Permission.CONFIGURATION_READ,
    tag=_TAG,
    query=PageQuery,
    answers={200: views.ConfigurationHistoryPage},
    errors=(404,),
)
async def list_versions(call: Call[PageQuery, None]) -> Answer:
    """List the versions of a configuration, newest first, the current one included."""
    query = call.query
    reply = await call.parts.configurations.list_versions(call.tenant_id, call.path["name"], query)
    page = compose.version_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=_link(call, page["next_cursor"]))


@routes.route(
    "GET",
    f"{_ONE}/history/{{version}}",
    permission=Permission.CONFIGURATION_READ,
    tag=_TAG,
    answers={200: views.ConfigurationHistory},
    errors=(404,),
    etag=True,
)
async def get_version(call: Call[NoQuery, None]) -> Answer:
    """Get one version of a configuration."""
    found = await call.parts.configurations.get_version(call.tenant_id, call.path["name"], _version(call))
    return Answer(compose.version_view(found), headers={"ETag": format_etag(found.version)})


@routes.route(
    "POST",
    f"{_ONE}/rollback/{{version}}",
    permission=Permission.CONFIGURATION_WRITE,
    tag=_TAG,
    body=views.RollbackNote,
    body_required=False,
    answers={200: views.Configuration},
    errors=(404, 409, 412),
    if_match=True,
    etag=True,
)
async def rollback_configuration(call: Call[NoQuery, views.RollbackNote]) -> Answer:
    """Make a new version with the document of an older one; history is never rewritten."""
    version = _version(call)
    expected = await _expected_version(call)
    try:
        made = await call.parts.configurations.rollback(
            call.tenant_id,
            call.path["name"],
            version,
            call.principal.username,
            call.body.comment,
            expected_version=expected,
        )
    except PreconditionFailed as error:
        raise await _version_changed(call) from error
    return Answer(compose.configuration_view(made), headers={"ETag": format_etag(made.version)})


@routes.route(
    "GET",
    f"{_ONE}/apply-history",
    permission=Permission.CONFIGURATION_READ,
    tag=_TAG,
    query=views.AttemptQuery,
    answers={200: views.ApplyHistoryPage},
    errors=(404,),
)
async def list_configuration_attempts(call: Call[views.AttemptQuery, None]) -> Answer:
    """List every attempt to make an agent run the configuration, newest first, with counts by status."""
    query = call.query
    reply = await call.parts.configurations.list_attempts(call.tenant_id, query, name=call.path["name"])
    page = compose.attempt_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=_link(call, page["next_cursor"]))


@routes.route(
    "GET",
    f"{_ONE}/status",
    permission=Permission.CONFIGURATION_READ,
    tag=_TAG,
    answers={200: views.ConfigurationStatus},
    errors=(404,),
)
async def get_configuration_status(call: Call[NoQuery, None]) -> Answer:
    """Count the agents that should run the configuration, by how far they are."""
    reply = await call.parts.configurations.status(call.tenant_id, call.path["name"])
    return Answer(compose.status_view(call.path["name"], reply))


async def _expected_version(call: Call[Any, Any]) -> int:
    """Tell the version If-Match asks for; 0 = whatever is current."""
    wanted = parse_if_match(call.headers.get("If-Match"))
    if wanted.any_version:
        return 0
    if len(wanted.versions) == 1 and 0 not in wanted.versions:
        return next(iter(wanted.versions))
    # None of ours, or several: only the current version decides, and the update is guarded by it.
    current = (await call.parts.configurations.get(call.tenant_id, call.path["name"])).version
    if current not in wanted.versions:
        raise VersionChanged(_CHANGED.format(current), current_version=current)
    return current


_CHANGED = "the configuration changed since you read it; its current version is {}"


async def _version_changed(call: Call[Any, Any]) -> VersionChanged:
    try:
        current = (await call.parts.configurations.get(call.tenant_id, call.path["name"])).version
    except ServiceError:
        return VersionChanged("the configuration changed since you read it", current_version=None)
    return VersionChanged(_CHANGED.format(current), current_version=current)


def _version(call: Call[Any, Any]) -> int:
    text = call.path["version"]
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 20 and 0 < int(text) <= MAX_VERSION):  # noqa: PLR2004 - digits of 64 bits
        public = "a version is a whole number from 1"
        raise Malformed(public, details=[Problem("version", public)])
    return int(text)


def _uids(texts: list[str]) -> list[AgentUid]:
    uids = []
    for text in texts:
        try:
            uids.append(parse_uid(text))
        except ValueError as error:
            public = f"not an agent id: {error}"
            raise Malformed(public, details=[Problem("agent_id", public)]) from error
    return uids


def _link(call: Call[Any, Any], next_cursor: str | None) -> dict[str, str]:
    return {"Link": next_link(call.url_path, call.url_query, next_cursor)} if next_cursor else {}
