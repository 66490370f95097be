"""Package assignments: which agents should have which package, how far they are, and another try."""

from __future__ import annotations

from typing import Any

from api_gateway.compose import package_assignments as compose
from api_gateway.errors import Malformed, VersionChanged
from api_gateway.etag import format_etag, parse_if_match
from api_gateway.models import package_assignments as views
from api_gateway.models.paging import NoQuery
from api_gateway.models.system import Message
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry
from api_gateway.routes.agents import link_of, uid_of
from contracts.ids import AgentUid, parse_uid
from servicekit.errors import PreconditionFailed, Problem, ServiceError

routes = Registry()

_TAG = "packages"
_ROOT = "/api/v1/package-assignments"
_ONE = f"{_ROOT}/{{id}}"
_OF_AGENT = "/api/v1/agents/{id}/packages"
_CHANGED = "the assignment changed since you read it; its current revision is {}"


@routes.route(
    "GET",
    _ROOT,
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    query=views.AssignmentQuery,
    answers={200: views.PackageAssignmentPage},
)
async def list_package_assignments(call: Call[views.AssignmentQuery, None]) -> Answer:
    """List package assignments by name, with how far their agents are."""
    query = call.query
    reply = await call.parts.package_offers.list_assignments(call.tenant_id, query)
    page = compose.assignment_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=link_of(call, page["next_cursor"]))


@routes.route(
    "POST",
    _ROOT,
    permission=Permission.PACKAGE_OFFER,
    tag=_TAG,
    body=views.NewAssignment,
    answers={201: views.PackageAssignment},
    errors=(409,),
    etag=True,
)
async def create_package_assignment(call: Call[NoQuery, views.NewAssignment]) -> Answer:
    """
    Say which agents should have a package, and in which version.

    Agents that accept packages and are matched by labels, groups or id are offered the file for their platform; one
    without selector, groups and agents means nobody. Where several assignments name one package for one agent, the
    highest priority decides, then agents over groups over labels, then the older one.
    """
    made = await call.parts.package_offers.create(
        call.tenant_id, call.body, _uids(call.body.agents), call.principal.username
    )
    headers = {"Location": f"{_ROOT}/{made.id}", "ETag": format_etag(made.revision)}
    return Answer(compose.assignment_view(made), status=201, headers=headers)


@routes.route(
    "GET",
    _ONE,
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    answers={200: views.PackageAssignment},
    errors=(404,),
    etag=True,
)
async def get_package_assignment(call: Call[NoQuery, None]) -> Answer:
    """Get a package assignment, with how far its agents are."""
    found = await call.parts.package_offers.assignment(call.tenant_id, call.path["id"])
    return Answer(compose.assignment_view(found), headers={"ETag": format_etag(found.revision)})


@routes.route(
    "PATCH",
    _ONE,
    permission=Permission.PACKAGE_OFFER,
    tag=_TAG,
    body=views.AssignmentChange,
    answers={200: views.PackageAssignment},
    errors=(404, 409, 412),
    if_match=True,
    etag=True,
)
async def change_package_assignment(call: Call[NoQuery, views.AssignmentChange]) -> Answer:
    """
    Change a package assignment; fields left out keep their value.

    Agents it does not decide for any more, because they match no longer or because it is disabled, get the list of
    what else is assigned to them, and remove this package if nothing else names it. With If-Match the change is
    refused when somebody else was faster (412, with the current revision).
    """
    expected = await _expected_revision(call)
    try:
        made = await call.parts.package_offers.update(
            call.tenant_id,
            call.path["id"],
            call.body,
            _uids(call.body.agents),
            call.principal.username,
            expected_revision=expected,
        )
    except PreconditionFailed as error:
        raise await _revision_changed(call) from error
    return Answer(compose.assignment_view(made), headers={"ETag": format_etag(made.revision)})


@routes.route(
    "DELETE",
    _ONE,
    permission=Permission.PACKAGE_OFFER,
    tag=_TAG,
    answers={200: Message},
    errors=(404, 409, 412),
    if_match=True,
)
async def delete_package_assignment(call: Call[NoQuery, None]) -> Answer:
    """Delete a package assignment; its agents get the list of what remains, and remove what nothing else names."""
    expected = await _expected_revision(call)
    try:
        await call.parts.package_offers.remove(
            call.tenant_id, call.path["id"], call.principal.username, expected_revision=expected
        )
    except PreconditionFailed as error:
        raise await _revision_changed(call) from error
    message: Message = {"message": "package assignment deleted"}
    return Answer(message)


@routes.route(
    "GET",
    f"{_ONE}/agents",
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    query=views.AssignedAgentQuery,
    answers={200: views.AssignedAgentPage},
    errors=(404,),
)
async def list_assigned_agents(call: Call[views.AssignedAgentQuery, None]) -> Answer:
    """List the agents a package assignment decides for, by id, each with how far it is."""
    query = call.query
    reply = await call.parts.package_offers.agents(call.tenant_id, call.path["id"], query)
    page = compose.assigned_agent_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=link_of(call, page["next_cursor"]))


@routes.route(
    "GET",
    _OF_AGENT,
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    answers={200: views.AgentPackages},
    errors=(404,),
)
async def get_agent_packages(call: Call[NoQuery, None]) -> Answer:
    """Tell which packages an agent should have, which it has, and what is on the way."""
    uid = uid_of(call)
    return Answer(compose.agent_packages_view(uid, await call.parts.package_offers.of_agent(call.tenant_id, uid)))


@routes.route(
    "POST",
    f"{_OF_AGENT}/{{name}}/retry",
    permission=Permission.PACKAGE_OFFER,
    tag=_TAG,
    answers={200: views.AgentPackage},
    errors=(404, 409),
)
async def retry_agent_package(call: Call[NoQuery, None]) -> Answer:
    """
    Offer an agent again a package that failed on it, was rolled back, or was never answered.

    What failed before is forgotten whatever the agent has now, so that it may be offered again when it is wanted
    again; 409 when nothing of the package has failed there.
    """
    uid = uid_of(call)
    package = await call.parts.package_offers.retry(call.tenant_id, uid, call.path["name"], call.principal.username)
    return Answer(compose.agent_package_view(package, uid))


@routes.route(
    "GET",
    "/api/v1/package-attempts",
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    query=views.PackageAttemptQuery,
    answers={200: views.PackageAttemptPage},
)
async def list_package_attempts(call: Call[views.PackageAttemptQuery, None]) -> Answer:
    """List every try to make an agent have a package, newest first."""
    query = call.query
    uid = _read_uid(query.agent_id, "agent_id") if query.agent_id else None
    reply = await call.parts.package_offers.list_attempts(call.tenant_id, query, uid)
    page = compose.attempt_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=link_of(call, page["next_cursor"]))


def _uids(texts: tuple[str, ...] | None) -> list[AgentUid] | None:
    """
    Read agent ids.

    Raises:
        Malformed: One is none.
    """
    return None if texts is None else [_read_uid(text, f"agents.{number}") for number, text in enumerate(texts)]


def _read_uid(text: str, field: str) -> AgentUid:
    try:
        return parse_uid(text)
    except ValueError as error:
        raise Malformed("an agent id is none", details=[Problem(field, str(error))]) from error


async def _expected_revision(call: Call[NoQuery, Any]) -> int:
    """Tell the revision If-Match asks for; 0 = whatever is current."""
    wanted = parse_if_match(call.headers.get("If-Match"))
    if wanted.any_version:
        return 0
    current = (await call.parts.package_offers.assignment(call.tenant_id, call.path["id"])).revision
    if current not in wanted.versions - {0}:
        raise VersionChanged(_CHANGED.format(current), current_version=current)
    return current


async def _revision_changed(call: Call[NoQuery, Any]) -> VersionChanged:
    try:
        current = (await call.parts.package_offers.assignment(call.tenant_id, call.path["id"])).revision
    except ServiceError:
        return VersionChanged("the assignment changed since you read it", current_version=None)
    return VersionChanged(_CHANGED.format(current), current_version=current)
