"""Enrolment tokens: what agents show when they connect."""

from __future__ import annotations

from api_gateway.compose import enrolment as compose
from api_gateway.models import enrolment as views
from api_gateway.models.paging import NoQuery, PageQuery
from api_gateway.paging import next_link
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry

routes = Registry()

_TAG = "enrolment tokens"
_ROOT = "/api/v1/enrolment-tokens"


@routes.route(
    "POST",
    _ROOT,
    permission=Permission.ENROLMENT_TOKEN_WRITE,
    tag=_TAG,
    body=views.NewEnrolmentToken,
    answers={201: views.CreatedEnrolmentToken},
)
async def create_enrolment_token(call: Call[NoQuery, views.NewEnrolmentToken]) -> Answer:
    """
    Make an enrolment token; its secret is told once, here.

    It may be bounded by time, number of agents and networks, stamp labels on the agents it enrols, make them wait
    for approval, let them vanish when they have been offline for long, and give each a credential of its own.
    """
    reply = await call.parts.agents.create_enrolment_token(call.tenant_id, call.body, call.principal.username)
    return Answer(compose.created_token_view(reply), status=201)


@routes.route(
    "GET",
    _ROOT,
    permission=Permission.ENROLMENT_TOKEN_READ,
    tag=_TAG,
    query=PageQuery,
    answers={200: views.EnrolmentTokenPage},
)
async def list_enrolment_tokens(call: Call[PageQuery, None]) -> Answer:
    """List enrolment tokens, without their secrets."""
    query = call.query
    reply = await call.parts.agents.list_enrolment_tokens(call.tenant_id, query)
    page = compose.token_page_view(reply, limit=query.limit, offset=query.offset)
    cursor = page["next_cursor"]
    return Answer(page, headers={"Link": next_link(call.url_path, call.url_query, cursor)} if cursor else {})


@routes.route(
    "DELETE",
    f"{_ROOT}/{{id}}",
    permission=Permission.ENROLMENT_TOKEN_WRITE,
    tag=_TAG,
    answers={200: views.EnrolmentToken},
    errors=(404,),
)
async def revoke_enrolment_token(call: Call[NoQuery, None]) -> Answer:
    """Revoke an enrolment token: no agent can connect with it any more."""
    return Answer(compose.token_view(await call.parts.agents.revoke_enrolment_token(call.tenant_id, call.path["id"])))
