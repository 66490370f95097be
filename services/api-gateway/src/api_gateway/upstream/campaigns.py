"""Questions to package-service about upgrade campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from api_gateway.compose.campaigns import plan_message
from api_gateway.upstream.agent_state import page_of
from api_gateway.upstream.package_service import PackageService
from contracts import subjects
from fleet.api.v1 import campaigns_pb2 as messages

if TYPE_CHECKING:
    from api_gateway.models.campaigns import CampaignAgentQuery, CampaignChange, CampaignQuery, NewCampaign

Action = Literal["start", "pause", "resume", "abort"]

STEER_PATIENCE = 6
"""Times the usual patience: who stops a campaign of a large fleet waits until the look at it that is under way ends."""


class Campaigns(PackageService):
    """package-service's campaigns, seen from here."""

    async def create(self, tenant_id: str, document: NewCampaign, author: str) -> messages.Campaign:
        """Write a campaign; NotFound for the assignment, Conflict when it pins no exact version."""
        request = messages.CreateCampaignRequest(
            tenant_id=tenant_id,
            name=document.name,
            assignment_id=document.assignment_id,
            to_version=document.to_version,
            plan=plan_message(document),
            author=author,
        )
        return (await self.ask(subjects.CREATE_CAMPAIGN, request)).campaign

    async def update(
        self, tenant_id: str, campaign_id: str, document: CampaignChange, author: str, *, expected_revision: int
    ) -> messages.Campaign:
        """Write a draft anew; NotFound, Conflict, PreconditionFailed when *expected_revision* is not current."""
        request = messages.UpdateCampaignRequest(
            tenant_id=tenant_id,
            id=campaign_id,
            name=document.name,
            to_version=document.to_version,
            plan=plan_message(document),
            expected_revision=expected_revision,
            author=author,
        )
        return (await self.ask(subjects.UPDATE_CAMPAIGN, request)).campaign

    async def campaign(self, tenant_id: str, campaign_id: str) -> messages.Campaign:
        """Get a campaign; NotFound."""
        request = messages.GetCampaignRequest(tenant_id=tenant_id, id=campaign_id)
        return (await self.ask(subjects.GET_CAMPAIGN, request)).campaign

    async def list_campaigns(self, tenant_id: str, query: CampaignQuery) -> messages.ListCampaignsReply:
        """List campaigns, newest first."""
        request = messages.ListCampaignsRequest(
            tenant_id=tenant_id,
            page=page_of(query),
            states=query.state,
            assignment_id=query.assignment_id,
            package=query.package,
            search=query.search or query.q,
        )
        return await self.ask(subjects.LIST_CAMPAIGNS, request)

    async def remove(self, tenant_id: str, campaign_id: str, author: str, *, expected_revision: int) -> None:
        """Forget a campaign; NotFound, Conflict while it lives, PreconditionFailed."""
        request = messages.DeleteCampaignRequest(
            tenant_id=tenant_id, id=campaign_id, expected_revision=expected_revision, author=author
        )
        await self.ask(subjects.DELETE_CAMPAIGN, request)

    async def steer(
        self, tenant_id: str, campaign_id: str, action: Action, author: str, *, expected_revision: int
    ) -> messages.Campaign:
        """Start, pause, resume or abort; NotFound, Conflict when it is in no state for it, PreconditionFailed."""
        request = messages.SteerCampaignRequest(
            tenant_id=tenant_id, id=campaign_id, action=action, expected_revision=expected_revision, author=author
        )
        patience = STEER_PATIENCE * self._timeout_seconds
        return (await self.ask(subjects.STEER_CAMPAIGN, request, timeout_seconds=patience)).campaign

    async def agents(
        self, tenant_id: str, campaign_id: str, query: CampaignAgentQuery
    ) -> messages.ListCampaignAgentsReply:
        """List the agents of a campaign; NotFound."""
        request = messages.ListCampaignAgentsRequest(
            tenant_id=tenant_id, id=campaign_id, page=page_of(query), states=query.state
        )
        return await self.ask(subjects.LIST_CAMPAIGN_AGENTS, request)

    async def failures(self, tenant_id: str, campaign_id: str) -> messages.GetCampaignFailuresReply:
        """Group the agents that failed by what they said; NotFound."""
        request = messages.GetCampaignFailuresRequest(tenant_id=tenant_id, id=campaign_id)
        return await self.ask(subjects.GET_CAMPAIGN_FAILURES, request)
