"""Who agents are: approve, reject and revoke them; their credentials; the certificate authority."""

from __future__ import annotations

from typing import Literal

from api_gateway.compose import identity as compose
from api_gateway.compose.agents import agent_view
from api_gateway.models import identity as views
from api_gateway.models.agents import Agent
from api_gateway.models.paging import NoQuery, PageQuery
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry
from api_gateway.routes.agents import configurations_of, link_of, uid_of
from fleet.api.v1 import agent_state_pb2

routes = Registry()

_TAG = "agent identity"
_AGENT = "/api/v1/agents/{id}"


@routes.route(
    "POST",
    f"{_AGENT}/approve",
    permission=Permission.AGENT_APPROVE,
    tag=_TAG,
    body=views.Decision,
    body_required=False,
    answers={200: Agent},
    errors=(404, 409),
)
async def approve_agent(call: Call[NoQuery, views.Decision]) -> Answer:
    """
    Approve an agent that waits, or one that was rejected or revoked.

    It connects again at once, and gets what it is due.
    """
    return await _decide(call, "approve")


@routes.route(
    "POST",
    f"{_AGENT}/reject",
    permission=Permission.AGENT_APPROVE,
    tag=_TAG,
    body=views.Decision,
    body_required=False,
    answers={200: Agent},
    errors=(404, 409),
)
async def reject_agent(call: Call[NoQuery, views.Decision]) -> Answer:
    """Refuse an agent that waits for approval: its connection ends, and it is not let in again."""
    return await _decide(call, "reject")


@routes.route(
    "POST",
    f"{_AGENT}/revoke",
    permission=Permission.AGENT_APPROVE,
    tag=_TAG,
    body=views.Decision,
    body_required=False,
    answers={200: Agent},
    errors=(404, 409),
)
async def revoke_agent(call: Call[NoQuery, views.Decision]) -> Answer:
    """
    Cut an agent off: all its credentials end, its connection is closed at once.

    No enrolment token lets it in again until it is approved anew.
    """
    uid = uid_of(call)
    await call.parts.identity.revoke(call.tenant_id, uid, call.principal.username, comment=call.body.comment)
    return await _agent(call, await call.parts.agents.get_agent(call.tenant_id, uid))


@routes.route(
    "GET",
    f"{_AGENT}/credentials",
    permission=Permission.AGENT_CREDENTIAL,
    tag=_TAG,
    query=PageQuery,
    answers={200: views.AgentCredentialPage},
    errors=(404,),
)
async def list_agent_credentials(call: Call[PageQuery, None]) -> Answer:
    """List the credentials of an agent, newest first, those that are no longer good included."""
    query = call.query
    reply = await call.parts.identity.list_credentials(call.tenant_id, uid_of(call), query)
    page = compose.credential_page_view(reply, limit=query.limit, offset=query.offset)
    return Answer(page, headers=link_of(call, page["next_cursor"]))


@routes.route(
    "POST",
    f"{_AGENT}/credentials/rotate",
    permission=Permission.AGENT_CREDENTIAL,
    tag=_TAG,
    answers={200: views.AgentCredential},
    errors=(404, 409),
)
async def rotate_agent_credential(call: Call[NoQuery, None]) -> Answer:
    """
    Offer an agent a new credential of the same kind.

    The one it has stays good until the agent has come back with the new one.
    """
    made = await call.parts.identity.rotate(call.tenant_id, uid_of(call), call.principal.username)
    return Answer(compose.credential_view(made))


@routes.route(
    "DELETE",
    f"{_AGENT}/credentials/{{credential_id}}",
    permission=Permission.AGENT_CREDENTIAL,
    tag=_TAG,
    answers={200: views.RevokedCredentials},
    errors=(404, 409),
)
async def revoke_agent_credential(call: Call[NoQuery, None]) -> Answer:
    """Revoke one credential; a connection that stands on it is closed at once."""
    reply = await call.parts.identity.revoke(
        call.tenant_id, uid_of(call), call.principal.username, credential_id=call.path["credential_id"]
    )
    revoked: views.RevokedCredentials = {"revoked": [compose.credential_view(each) for each in reply.revoked]}
    return Answer(revoked)


@routes.route(
    "GET",
    "/api/v1/certificate-authority",
    permission=Permission.AGENT_READ,
    tag=_TAG,
    answers={200: views.CertificateAuthority},
)
async def get_certificate_authority(call: Call[NoQuery, None]) -> Answer:
    """Get the certificates that agents' certificates are signed with; empty while the platform issues none."""
    authority: views.CertificateAuthority = {
        "certificates_pem": await call.parts.identity.certificate_authority(),
    }
    return Answer(authority)


async def _decide(call: Call[NoQuery, views.Decision], decision: Literal["approve", "reject"]) -> Answer:
    agent = await call.parts.identity.decide(
        call.tenant_id, uid_of(call), decision, call.principal.username, call.body.comment
    )
    return await _agent(call, agent)


async def _agent(call: Call[NoQuery, views.Decision], agent: agent_state_pb2.Agent) -> Answer:
    configurations, headers = await configurations_of(call, [agent])
    return Answer(agent_view(agent, configurations.get(agent.instance_uid)), headers=headers)
