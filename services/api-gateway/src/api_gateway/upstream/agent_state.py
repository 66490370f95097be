"""Questions to agent-state."""

from __future__ import annotations

from api_gateway.compose.enrolment import rules_message
from api_gateway.models.agents import AgentQuery
from api_gateway.models.enrolment import NewEnrolmentToken
from api_gateway.models.paging import PageQuery
from api_gateway.paging import slices
from api_gateway.upstream.asking import Asking
from contracts import subjects
from contracts.ids import AgentUid
from fleet.api.v1 import agent_state_pb2 as messages
from fleet.api.v1.page_pb2 import PageRequest

SLICE = 200
"""Agents per question: a page of 1000 with full labels would not fit one bus message."""


class AgentState(Asking):
    """agent-state, seen from here."""

    async def list_agents(self, tenant_id: str, query: AgentQuery) -> messages.ListAgentsReply:
        """List agents; a large page is asked for in slices."""
        whole = messages.ListAgentsReply()
        cursor = query.cursor
        for number, size in enumerate(slices(query.limit, SLICE)):
            reply = await self.ask(
                subjects.LIST_AGENTS,
                messages.ListAgentsRequest(
                    tenant_id=tenant_id,
                    page=PageRequest(limit=size, offset=0 if number else query.offset, cursor=cursor),
                    statuses=query.status,
                    health_states=query.health,
                    config_states=query.config_state,
                    approvals=query.approval,
                    search=query.search or query.q,
                    labels=query.label,
                    sort=query.sort.removeprefix("-"),
                    descending=query.sort.startswith("-"),
                ),
            )
            whole.agents.extend(reply.agents)
            whole.page.CopyFrom(reply.page)
            cursor = reply.page.next_cursor
            if not cursor:
                break
        return whole

    async def get_agent(self, tenant_id: str, uid: AgentUid) -> messages.Agent:
        """Get one agent with everything it reported; NotFound when there is none."""
        request = messages.GetAgentRequest(tenant_id=tenant_id, instance_uid=uid)
        return (await self.ask(subjects.GET_AGENT, request)).agent

    async def check_known(self, tenant_id: str, uid: AgentUid) -> None:
        """Make sure that there is such an agent, without fetching all it reported; NotFound when there is none."""
        await self.list_connections(tenant_id, uid, PageQuery(limit=1))

    async def delete_agent(self, tenant_id: str, uid: AgentUid) -> None:
        """Forget an agent and close its connection; NotFound when there is none."""
        request = messages.DeleteAgentRequest(tenant_id=tenant_id, instance_uid=uid)
        await self.ask(subjects.DELETE_AGENT, request)

    async def summary(self, tenant_id: str) -> messages.GetStatusSummaryReply:
        """Count agents by state."""
        return await self.ask(subjects.GET_STATUS_SUMMARY, messages.GetStatusSummaryRequest(tenant_id=tenant_id))

    async def list_connections(self, tenant_id: str, uid: AgentUid, query: PageQuery) -> messages.ListConnectionsReply:
        """List the connections of an agent, newest first; NotFound when the agent is unknown."""
        request = messages.ListConnectionsRequest(tenant_id=tenant_id, instance_uid=uid, page=page_of(query))
        return await self.ask(subjects.LIST_CONNECTIONS, request)

    async def active_connection(self, tenant_id: str, uid: AgentUid) -> messages.Connection:
        """Get the open connection of an agent; NotFound when there is none."""
        request = messages.GetActiveConnectionRequest(tenant_id=tenant_id, instance_uid=uid)
        return (await self.ask(subjects.GET_ACTIVE_CONNECTION, request)).connection

    async def create_enrolment_token(
        self, tenant_id: str, document: NewEnrolmentToken, created_by: str
    ) -> messages.CreateEnrolmentTokenReply:
        """Make an enrolment token; its text is in this answer and nowhere else."""
        request = messages.CreateEnrolmentTokenRequest(
            tenant_id=tenant_id,
            name=document.name,
            lifetime_seconds=document.lifetime_seconds,
            created_by=created_by,
            rules=rules_message(document),
        )
        return await self.ask(subjects.CREATE_ENROLMENT_TOKEN, request)

    async def list_enrolment_tokens(self, tenant_id: str, query: PageQuery) -> messages.ListEnrolmentTokensReply:
        """List enrolment tokens without their texts."""
        request = messages.ListEnrolmentTokensRequest(tenant_id=tenant_id, page=page_of(query))
        return await self.ask(subjects.LIST_ENROLMENT_TOKENS, request)

    async def revoke_enrolment_token(self, tenant_id: str, token_id: str) -> messages.EnrolmentToken:
        """Revoke an enrolment token; NotFound when there is none."""
        request = messages.RevokeEnrolmentTokenRequest(tenant_id=tenant_id, id=token_id)
        return (await self.ask(subjects.REVOKE_ENROLMENT_TOKEN, request)).token


def page_of(query: PageQuery) -> PageRequest:
    """Write which part of a list is wanted."""
    return PageRequest(limit=query.limit, offset=query.offset, cursor=query.cursor)
