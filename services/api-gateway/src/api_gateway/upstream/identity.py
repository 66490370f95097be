"""Questions to agent-state about who agents are, and what one of them is told now."""

from __future__ import annotations

from typing import Literal

from api_gateway.models.paging import PageQuery
from api_gateway.upstream.agent_state import page_of
from api_gateway.upstream.asking import Asking
from contracts import subjects
from contracts.ids import AgentUid
from fleet.api.v1 import agent_state_pb2
from fleet.api.v1 import identity_pb2 as messages
from opamp.v1 import opamp_pb2


class Identity(Asking):
    """agent-state's knowledge of who agents are, seen from here."""

    async def decide(
        self, tenant_id: str, uid: AgentUid, decision: Literal["approve", "reject"], author: str, comment: str
    ) -> agent_state_pb2.Agent:
        """Approve or reject an agent; NotFound, Conflict when its state does not allow it."""
        request = messages.DecideAgentRequest(
            tenant_id=tenant_id, instance_uid=uid, decision=decision, author=author, comment=comment
        )
        return (await self.ask(subjects.DECIDE_AGENT, request)).agent

    async def revoke(
        self, tenant_id: str, uid: AgentUid, author: str, *, credential_id: str = "", comment: str = ""
    ) -> messages.RevokeAgentAccessReply:
        """Revoke one credential, or without an id the agent; NotFound. Its connection is closed."""
        request = messages.RevokeAgentAccessRequest(
            tenant_id=tenant_id, instance_uid=uid, credential_id=credential_id, author=author, comment=comment
        )
        return await self.ask(subjects.REVOKE_AGENT_ACCESS, request)

    async def list_credentials(
        self, tenant_id: str, uid: AgentUid, query: PageQuery
    ) -> messages.ListAgentCredentialsReply:
        """List the credentials of an agent, newest first; NotFound when the agent is unknown."""
        request = messages.ListAgentCredentialsRequest(tenant_id=tenant_id, instance_uid=uid, page=page_of(query))
        return await self.ask(subjects.LIST_AGENT_CREDENTIALS, request)

    async def rotate(self, tenant_id: str, uid: AgentUid, author: str) -> messages.AgentCredential:
        """Make a new credential of the same kind and offer it; NotFound, Conflict when there is none of its own."""
        request = messages.RotateAgentCredentialRequest(tenant_id=tenant_id, instance_uid=uid, author=author)
        return (await self.ask(subjects.ROTATE_AGENT_CREDENTIAL, request)).credential

    async def certificate_authority(self) -> str:
        """Get the platform's own CA certificates, PEM; empty when it issues none."""
        request = messages.GetCertificateAuthorityRequest()
        return (await self.ask(subjects.GET_CERTIFICATE_AUTHORITY, request)).certificates_pem

    async def restart(self, tenant_id: str, uid: AgentUid, author: str) -> messages.TellAgentReply:
        """Tell an agent to restart; NotFound, Conflict when it cannot be told."""
        command = opamp_pb2.ServerToAgentCommand(type=opamp_pb2.CommandType_Restart)
        request = messages.TellAgentRequest(tenant_id=tenant_id, instance_uid=uid, command=command, author=author)
        return await self.ask(subjects.TELL_AGENT, request)

    async def refresh_components(self, tenant_id: str, uid: AgentUid, author: str) -> messages.TellAgentReply:
        """Ask an agent for the details of its components; NotFound, Conflict when it cannot be asked."""
        request = messages.TellAgentRequest(
            tenant_id=tenant_id, instance_uid=uid, report_available_components=True, author=author
        )
        return await self.ask(subjects.TELL_AGENT, request)

    async def send(
        self, tenant_id: str, uid: AgentUid, message: opamp_pb2.CustomMessage, author: str
    ) -> messages.TellAgentReply:
        """Send a custom message; NotFound, Conflict when the agent cannot be told or lacks the capability."""
        request = messages.TellAgentRequest(
            tenant_id=tenant_id, instance_uid=uid, custom_message=message, author=author
        )
        return await self.ask(subjects.TELL_AGENT, request)
