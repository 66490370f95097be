"""Approval, credentials and the certificate authority over HTTP."""

from __future__ import annotations

from typing import Any

from api_gateway.permissions import Role
from contracts import subjects
from contracts.ids import format_uid
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import identity_pb2 as identity
from fleet.api.v1.page_pb2 import PageReply
from servicekit.errors import Conflict

UID = bytes(range(16))
ROOT = f"/api/v1/agents/{format_uid(UID)}"
AGENT = agents.Agent(instance_uid=UID, name="edge", approval="approved")
CREDENTIAL = identity.AgentCredential(id="c1", instance_uid=UID, kind="bearer", state="current")


async def test_an_agent_is_approved_and_rejected(api: Any, stand: Any, conforms: Any) -> None:
    """Who decided, and why, goes along; the comment may be left out."""
    stand.answer(subjects.DECIDE_AGENT, identity.DecideAgentReply(agent=AGENT))
    operator = await api.as_role(Role.OPERATOR)

    approved = await api.call("POST", f"{ROOT}/approve", token=operator)
    first = stand.last(subjects.DECIDE_AGENT)
    rejected = await api.call("POST", f"{ROOT}/reject", token=operator, json={"comment": "not ours"})
    second = stand.last(subjects.DECIDE_AGENT)

    conforms(approved, ("POST", "/api/v1/agents/{id}/approve"))
    conforms(rejected, ("POST", "/api/v1/agents/{id}/reject"))
    assert (first.decision, first.author, first.instance_uid) == ("approve", "the-operator", UID)
    assert (second.decision, second.comment) == ("reject", "not ours")


async def test_a_decision_that_does_not_fit_is_told(api: Any, stand: Any, conforms: Any) -> None:
    """409 with the sentence agent-state has for it."""

    def refuse(_request: Any) -> Any:
        public = "the agent is approved already"
        raise Conflict(public)

    stand.answer(subjects.DECIDE_AGENT, refuse)

    reply = await api.call("POST", f"{ROOT}/approve", token=await api.as_role(Role.OPERATOR))

    conforms(reply, ("POST", "/api/v1/agents/{id}/approve"))
    assert (reply.status, reply.body["detail"]) == (409, "the agent is approved already")


async def test_an_agent_is_revoked(api: Any, stand: Any, conforms: Any) -> None:
    """All of it: no credential is named; the answer is the agent as it is now."""
    stand.answer(subjects.GET_AGENT, agents.GetAgentReply(agent=agents.Agent(instance_uid=UID, approval="revoked")))

    reply = await api.call("POST", f"{ROOT}/revoke", token=await api.as_role(Role.OPERATOR), json={"comment": "stolen"})

    conforms(reply, ("POST", "/api/v1/agents/{id}/revoke"))
    asked = stand.last(subjects.REVOKE_AGENT_ACCESS)
    assert (asked.credential_id, asked.comment, asked.author) == ("", "stolen", "the-operator")
    assert reply.body["approval"] == "revoked"


async def test_credentials_are_listed_rotated_and_revoked(api: Any, stand: Any, conforms: Any) -> None:
    """Operators may; no secret is among them."""
    stand.answer(
        subjects.LIST_AGENT_CREDENTIALS,
        identity.ListAgentCredentialsReply(credentials=[CREDENTIAL], page=PageReply(total=2, next_cursor="n")),
    )
    stand.answer(subjects.ROTATE_AGENT_CREDENTIAL, identity.RotateAgentCredentialReply(credential=CREDENTIAL))
    stand.answer(subjects.REVOKE_AGENT_ACCESS, identity.RevokeAgentAccessReply(revoked=[CREDENTIAL]))
    operator = await api.as_role(Role.OPERATOR)

    listed = await api.call("GET", f"{ROOT}/credentials?limit=1", token=operator)
    rotated = await api.call("POST", f"{ROOT}/credentials/rotate", token=operator)
    revoked = await api.call("DELETE", f"{ROOT}/credentials/c1", token=operator)

    conforms(listed, ("GET", "/api/v1/agents/{id}/credentials"))
    conforms(rotated, ("POST", "/api/v1/agents/{id}/credentials/rotate"))
    conforms(revoked, ("DELETE", "/api/v1/agents/{id}/credentials/{credential_id}"))
    assert "cursor=n" in listed.headers["Link"]
    assert stand.last(subjects.REVOKE_AGENT_ACCESS).credential_id == "c1"
    assert revoked.body["revoked"][0]["id"] == "c1"


async def test_the_certificate_authority_is_shown(api: Any, stand: Any, conforms: Any) -> None:
    """Certificates are no secret: every role may read them."""
    stand.answer(
        subjects.GET_CERTIFICATE_AUTHORITY, identity.GetCertificateAuthorityReply(certificates_pem="-----BEGIN")
    )

    reply = await api.call("GET", "/api/v1/certificate-authority", token=await api.as_role(Role.VIEWER))

    conforms(reply, ("GET", "/api/v1/certificate-authority"))
    assert reply.body == {"certificates_pem": "-----BEGIN"}


async def test_agents_are_found_by_approval(api: Any, stand: Any) -> None:
    """The list that people work through."""
    reply = await api.call("GET", "/api/v1/agents?approval=pending", token=await api.as_role(Role.VIEWER))

    assert reply.status == 200
    assert list(stand.last(subjects.LIST_AGENTS).approvals) == ["pending"]
