"""agent-state's enrolment tokens become views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.compose.values import moment
from fleet.api.v1 import agent_state_pb2

if TYPE_CHECKING:
    from api_gateway.models import enrolment as views


def rules_message(document: views.NewEnrolmentToken) -> agent_state_pb2.EnrolmentRules:
    """Write what a new token shall do with the agents that show it."""
    return agent_state_pb2.EnrolmentRules(
        max_uses=document.max_uses,
        cidrs=document.cidrs,
        labels=document.labels,
        group=document.group,
        requires_approval=document.requires_approval,
        ephemeral_seconds=document.ephemeral_seconds,
        issues="" if document.issues == "none" else document.issues,
        credential_lifetime_seconds=document.credential_lifetime_seconds,
    )


def token_view(token: agent_state_pb2.EnrolmentToken) -> views.EnrolmentToken:
    """Compose one token; its secret is not known to anybody."""
    return {
        "id": token.id,
        "name": token.name,
        "created_by": token.created_by,
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
        "revoked_at": moment(token.revoked_at),
        "uses": token.uses,
        "max_uses": token.rules.max_uses,
        "cidrs": list(token.rules.cidrs),
        "labels": dict(token.rules.labels),
        "group": token.rules.group,
        "requires_approval": token.rules.requires_approval,
        "ephemeral_seconds": token.rules.ephemeral_seconds,
        "issues": token.rules.issues or "none",
        "credential_lifetime_seconds": token.rules.credential_lifetime_seconds,
    }


def created_token_view(reply: agent_state_pb2.CreateEnrolmentTokenReply) -> views.CreatedEnrolmentToken:
    """Compose a new token with its secret, the only time."""
    return {**token_view(reply.token), "secret": reply.secret}


def token_page_view(
    reply: agent_state_pb2.ListEnrolmentTokensReply, *, limit: int, offset: int
) -> views.EnrolmentTokenPage:
    """Compose a page of tokens."""
    return {
        "tokens": [token_view(token) for token in reply.tokens],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }
