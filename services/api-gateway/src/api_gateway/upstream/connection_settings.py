"""Questions to agent-state about connection settings."""

from __future__ import annotations

from api_gateway.models.paging import PageQuery
from api_gateway.upstream.agent_state import page_of
from api_gateway.upstream.asking import Asking
from contracts import subjects
from contracts.ids import AgentUid
from fleet.api.v1 import connection_settings_pb2 as messages


class ConnectionSettings(Asking):
    """agent-state's connection settings, seen from here."""

    async def put(
        self, policy: messages.ConnectionSettingsPolicy, *, expected_version: int
    ) -> messages.PutConnectionSettingsPolicyReply:
        """Create or replace; PreconditionFailed when *expected_version* is set and not current."""
        request = messages.PutConnectionSettingsPolicyRequest(policy=policy, expected_version=expected_version)
        return await self.ask(subjects.PUT_CONNECTION_SETTINGS_POLICY, request)

    async def get(self, tenant_id: str, name: str) -> messages.ConnectionSettingsPolicy:
        """Get one, secrets masked; NotFound."""
        request = messages.GetConnectionSettingsPolicyRequest(tenant_id=tenant_id, name=name)
        return (await self.ask(subjects.GET_CONNECTION_SETTINGS_POLICY, request)).policy

    async def list_policies(self, tenant_id: str, query: PageQuery) -> messages.ListConnectionSettingsPoliciesReply:
        """List them by name."""
        request = messages.ListConnectionSettingsPoliciesRequest(tenant_id=tenant_id, page=page_of(query))
        return await self.ask(subjects.LIST_CONNECTION_SETTINGS_POLICIES, request)

    async def delete(self, tenant_id: str, name: str) -> None:
        """Delete one; NotFound."""
        request = messages.DeleteConnectionSettingsPolicyRequest(tenant_id=tenant_id, name=name)
        await self.ask(subjects.DELETE_CONNECTION_SETTINGS_POLICY, request)

    async def of_agent(self, tenant_id: str, uid: AgentUid) -> messages.GetAgentConnectionSettingsReply:
        """Tell what an agent is offered and how far it is; NotFound."""
        request = messages.GetAgentConnectionSettingsRequest(tenant_id=tenant_id, instance_uid=uid)
        return await self.ask(subjects.GET_AGENT_CONNECTION_SETTINGS, request)

    async def retry(self, tenant_id: str, uid: AgentUid, author: str) -> None:
        """Offer what failed again; NotFound, Conflict when nothing failed."""
        request = messages.RetryConnectionSettingsRequest(tenant_id=tenant_id, instance_uid=uid, author=author)
        await self.ask(subjects.RETRY_CONNECTION_SETTINGS, request)
