"""Upgrade campaigns: the agents of a package assignment come to another version, stage by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api_gateway.compose import campaigns as compose
from api_gateway.errors import VersionChanged
from api_gateway.etag import format_etag, parse_if_match
from api_gateway.models import campaigns as views
from api_gateway.models.paging import NoQuery
from api_gateway.models.system import Message
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry
from api_gateway.routes.agents import link_of
from servicekit.errors import PreconditionFailed, ServiceError

if TYPE_CHECKING:
    from api_gateway.upstream.campaigns import Action
    from fleet.api.v1 import campaigns_pb2 as messages

routes = Registry()

_TAG = "campaigns"
_ROOT = "/api/v1/campaigns"
_ONE = f"{_ROOT}/{{id}}"
_CHANGED = "the campaign changed since you read it; its current revision is {}"


@routes.route(
    "GET",
    _ROOT,
    permission=Permission.CAMPAIGN_READ,
    tag=_TAG,
    query=views.CampaignQuery,
    answers={200: views.CampaignPage},
)
async def list_campaigns(call: Call[views.CampaignQuery, None]) -> Answer:
    """List campaigns, newest first, with how far their agents are."""
    query = call.query
    reply = await call.parts.campaigns.list_campaigns(call.tenant_id, query)
    page = compose.campaign_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=link_of(call, page["next_cursor"]))


@routes.route(
    "POST",
    _ROOT,
    permission=Permission.CAMPAIGN_RUN,
    tag=_TAG,
    body=views.NewCampaign,
    answers={201: views.Campaign},
    errors=(404, 409, 422),
    etag=True,
)
async def create_campaign(call: Call[NoQuery, views.NewCampaign]) -> Answer:
    """
    Write a campaign; nothing happens until it is started.

    The agents the assignment decides for will come to the version, stage by stage: at most so many at once, each
    watched for a while. When too many fail it halts, and those that failed get the previous version. In the end the
    version is the assignment's own.
    """
    made = await call.parts.campaigns.create(call.tenant_id, call.body, call.principal.username)
    return Answer(compose.campaign_view(made), status=201, headers={"Location": f"{_ROOT}/{made.id}", **_etag(made)})


@routes.route(
    "GET",
    _ONE,
    permission=Permission.CAMPAIGN_READ,
    tag=_TAG,
    answers={200: views.Campaign},
    errors=(404,),
    etag=True,
)
async def get_campaign(call: Call[NoQuery, None]) -> Answer:
    """Get a campaign, with how far its agents are."""
    found = await call.parts.campaigns.campaign(call.tenant_id, call.path["id"])
    return Answer(compose.campaign_view(found), headers=_etag(found))


@routes.route(
    "PUT",
    _ONE,
    permission=Permission.CAMPAIGN_RUN,
    tag=_TAG,
    body=views.CampaignChange,
    answers={200: views.Campaign},
    errors=(404, 409, 412, 422),
    if_match=True,
    etag=True,
)
async def change_campaign(call: Call[NoQuery, views.CampaignChange]) -> Answer:
    """
    Write a campaign anew that was not started, whole; 409 when it was.

    With If-Match the change is refused when somebody else was faster (412, with the current revision).
    """
    expected = await _expected_revision(call)
    try:
        made = await call.parts.campaigns.update(
            call.tenant_id, call.path["id"], call.body, call.principal.username, expected_revision=expected
        )
    except PreconditionFailed as error:
        raise await _revision_changed(call) from error
    return Answer(compose.campaign_view(made), headers=_etag(made))


@routes.route(
    "DELETE",
    _ONE,
    permission=Permission.CAMPAIGN_RUN,
    tag=_TAG,
    answers={200: Message},
    errors=(404, 409, 412),
    if_match=True,
)
async def delete_campaign(call: Call[NoQuery, None]) -> Answer:
    """Forget a campaign and what its agents did; 409 while it lives."""
    expected = await _expected_revision(call)
    try:
        await call.parts.campaigns.remove(
            call.tenant_id, call.path["id"], call.principal.username, expected_revision=expected
        )
    except PreconditionFailed as error:
        raise await _revision_changed(call) from error
    message: Message = {"message": "campaign deleted"}
    return Answer(message)


def _steering(action: str) -> dict[str, Any]:
    return {
        "method": "POST",
        "path": f"{_ONE}/{action}",
        "permission": Permission.CAMPAIGN_RUN,
        "tag": _TAG,
        "answers": {200: views.Campaign},
        "errors": (404, 409, 412, 422) if action == "start" else (404, 409, 412),
        "if_match": True,
        "etag": True,
    }


@routes.route(**_steering("start"))
async def start_campaign(call: Call[NoQuery, None]) -> Answer:
    """
    Start a campaign that was written.

    409 when it was started already, or another campaign moves the agents of the assignment.
    """
    return await _steer(call, "start")


@routes.route(**_steering("pause"))
async def pause_campaign(call: Call[NoQuery, None]) -> Answer:
    """Hold a campaign: no further agent begins, those that have begun go on."""
    return await _steer(call, "pause")


@routes.route(**_steering("resume"))
async def resume_campaign(call: Call[NoQuery, None]) -> Answer:
    """Let a paused or halted campaign go on with the rest; after a halt, failures are counted afresh."""
    return await _steer(call, "resume")


@routes.route(**_steering("abort"))
async def abort_campaign(call: Call[NoQuery, None]) -> Answer:
    """End a campaign: every agent gets the version the assignment has, those that succeeded too."""
    return await _steer(call, "abort")


@routes.route(
    "GET",
    f"{_ONE}/agents",
    permission=Permission.CAMPAIGN_READ,
    tag=_TAG,
    query=views.CampaignAgentQuery,
    answers={200: views.CampaignAgentPage},
    errors=(404,),
)
async def list_campaign_agents(call: Call[views.CampaignAgentQuery, None]) -> Answer:
    """List the agents of a campaign, by id, each with where it stands."""
    query = call.query
    reply = await call.parts.campaigns.agents(call.tenant_id, call.path["id"], query)
    page = compose.agent_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=link_of(call, page["next_cursor"]))


@routes.route(
    "GET",
    f"{_ONE}/failures",
    permission=Permission.CAMPAIGN_READ,
    tag=_TAG,
    answers={200: views.CampaignFailures},
    errors=(404,),
)
async def get_campaign_failures(call: Call[NoQuery, None]) -> Answer:
    """Group the agents that failed by what they said, the commonest first."""
    return Answer(compose.failures_view(await call.parts.campaigns.failures(call.tenant_id, call.path["id"])))


async def _steer(call: Call[NoQuery, None], action: Action) -> Answer:
    expected = await _expected_revision(call)
    try:
        made = await call.parts.campaigns.steer(
            call.tenant_id, call.path["id"], action, call.principal.username, expected_revision=expected
        )
    except PreconditionFailed as error:
        raise await _revision_changed(call) from error
    return Answer(compose.campaign_view(made), headers=_etag(made))


def _etag(campaign: messages.Campaign) -> dict[str, str]:
    return {"ETag": format_etag(campaign.revision)}


async def _expected_revision(call: Call[NoQuery, Any]) -> int:
    """Tell the revision If-Match asks for; 0 = whatever is current."""
    wanted = parse_if_match(call.headers.get("If-Match"))
    if wanted.any_version:
        return 0
    current = (await call.parts.campaigns.campaign(call.tenant_id, call.path["id"])).revision
    if current not in wanted.versions - {0}:
        raise VersionChanged(_CHANGED.format(current), current_version=current)
    return current


async def _revision_changed(call: Call[NoQuery, Any]) -> VersionChanged:
    try:
        current = (await call.parts.campaigns.campaign(call.tenant_id, call.path["id"])).revision
    except ServiceError:
        return VersionChanged("the campaign changed since you read it", current_version=None)
    return VersionChanged(_CHANGED.format(current), current_version=current)
