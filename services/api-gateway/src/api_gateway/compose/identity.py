"""agent-state's credentials become views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.compose.values import moment, uid_text

if TYPE_CHECKING:
    from api_gateway.models import identity as views
    from fleet.api.v1 import identity_pb2


def credential_view(credential: identity_pb2.AgentCredential) -> views.AgentCredential:
    """Compose one credential."""
    return {
        "id": credential.id,
        "agent_id": uid_text(credential.instance_uid),
        "kind": credential.kind,
        "state": credential.state,
        "created_at": moment(credential.created_at),
        "expires_at": moment(credential.expires_at),
        "first_used_at": moment(credential.first_used_at),
        "revoked_at": moment(credential.revoked_at),
        "revoked_by": credential.revoked_by,
        "enrolment_token_id": credential.enrolment_token_id,
        "fingerprint": credential.fingerprint,
    }


def credential_page_view(
    reply: identity_pb2.ListAgentCredentialsReply, *, limit: int, offset: int
) -> views.AgentCredentialPage:
    """Compose a page of credentials."""
    return {
        "credentials": [credential_view(credential) for credential in reply.credentials],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def told_view(reply: identity_pb2.TellAgentReply) -> views.Told:
    """Compose where an agent was told something."""
    return {"gateway_id": reply.gateway_id, "at_once": reply.at_once}
