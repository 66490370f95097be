"""The questions about campaigns package-service answers on the bus: one call and back. No SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from contracts import subjects
from fleet.api.v1 import campaigns_pb2 as api
from fleet.api.v1 import page_pb2
from package_service.campaigns import agent_store, campaign_store, wire
from package_service.campaigns.campaign_store import Filter
from package_service.campaigns.campaigns import ACTIONS
from package_service.errors import AssignmentNotFound
from package_service.requests import check_request, invalid
from rollout import MemberState, State
from servicekit.paging import cut, page_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import asyncpg
    from google.protobuf.message import Message

    from package_service.campaigns.campaign import Campaign
    from package_service.campaigns.campaigns import Campaigns
    from servicekit.clock import Clock

_STATES = frozenset(state.value for state in State)
_AGENT_STATES = frozenset(state.value for state in MemberState)


class CampaignQuestions:
    """
    Answers.

    Args:
        pool: For reading lists.

        campaigns: For what people do.

        clock: To tell when windows open.
    """

    def __init__(self, pool: asyncpg.Pool, campaigns: Campaigns, clock: Clock) -> None:
        self._pool = pool
        self._campaigns = campaigns
        self._clock = clock

    def handlers(self) -> Mapping[Any, Callable[[Any], Awaitable[Message]]]:
        """Return every method about campaigns and what answers it."""
        return {
            subjects.CREATE_CAMPAIGN: self.create_campaign,
            subjects.UPDATE_CAMPAIGN: self.update_campaign,
            subjects.GET_CAMPAIGN: self.get_campaign,
            subjects.LIST_CAMPAIGNS: self.list_campaigns,
            subjects.DELETE_CAMPAIGN: self.delete_campaign,
            subjects.STEER_CAMPAIGN: self.steer_campaign,
            subjects.LIST_CAMPAIGN_AGENTS: self.list_campaign_agents,
            subjects.GET_CAMPAIGN_FAILURES: self.get_campaign_failures,
        }

    async def create_campaign(self, request: api.CreateCampaignRequest) -> api.CreateCampaignReply:
        """Keep a new campaign."""
        check_request(request)
        draft = wire.draft_of(request.name, request.to_version, request.plan)
        assignment_id = _uuid(request.assignment_id)
        if assignment_id is None:
            raise AssignmentNotFound
        campaign = await self._campaigns.create(request.tenant_id, draft, assignment_id, request.author)
        return api.CreateCampaignReply(campaign=self._told(campaign))

    async def update_campaign(self, request: api.UpdateCampaignRequest) -> api.UpdateCampaignReply:
        """Write a campaign anew."""
        check_request(request)
        campaign = await self._campaigns.update(
            request.tenant_id,
            wire.campaign_id_of(request.id),
            wire.draft_of(request.name, request.to_version, request.plan),
            expected_revision=request.expected_revision,
            author=request.author,
        )
        return api.UpdateCampaignReply(campaign=self._told(campaign))

    async def get_campaign(self, request: api.GetCampaignRequest) -> api.GetCampaignReply:
        """Return a campaign."""
        check_request(request)
        return api.GetCampaignReply(campaign=self._told(await self._one(request)))

    async def list_campaigns(self, request: api.ListCampaignsRequest) -> api.ListCampaignsReply:
        """List campaigns, newest first."""
        check_request(request)
        _check_states(request.states, _STATES)
        assignment_id = _uuid(request.assignment_id)
        if request.assignment_id and assignment_id is None:
            raise invalid("assignment_id", "must be the id of an assignment")
        wanted = Filter(tuple(request.states), assignment_id, request.package, request.search)
        page = page_of(request.page, "campaigns", request.tenant_id, wanted)
        rows, total = await campaign_store.list_campaigns(self._pool, request.tenant_id, page, wanted)
        shown, cursor = cut(rows, page, campaign_store.sort_key)
        now = self._clock.now()
        return api.ListCampaignsReply(
            campaigns=[wire.campaign_message(row, now) for row in shown],
            page=page_pb2.PageReply(total=total, next_cursor=cursor),
        )

    async def delete_campaign(self, request: api.DeleteCampaignRequest) -> api.DeleteCampaignReply:
        """Forget a campaign."""
        check_request(request)
        await self._campaigns.delete(
            request.tenant_id, wire.campaign_id_of(request.id), expected_revision=request.expected_revision
        )
        return api.DeleteCampaignReply()

    async def steer_campaign(self, request: api.SteerCampaignRequest) -> api.SteerCampaignReply:
        """Start, pause, resume or abort."""
        check_request(request)
        if request.action not in ACTIONS:
            raise invalid("action", f"must be one of: {', '.join(ACTIONS)}")
        campaign = await self._campaigns.steer(
            request.tenant_id,
            wire.campaign_id_of(request.id),
            request.action,
            expected_revision=request.expected_revision,
            author=request.author,
        )
        return api.SteerCampaignReply(campaign=self._told(campaign))

    async def list_campaign_agents(self, request: api.ListCampaignAgentsRequest) -> api.ListCampaignAgentsReply:
        """List the agents of a campaign."""
        check_request(request)
        _check_states(request.states, _AGENT_STATES)
        campaign = await self._one(request)
        states = sorted(request.states)
        page = page_of(request.page, "campaign agents", request.tenant_id, request.id, states)
        rows, total = await agent_store.list_agents(self._pool, campaign, page, states)
        shown, cursor = cut(rows, page, agent_store.sort_key)
        return api.ListCampaignAgentsReply(
            agents=[wire.agent_message(row) for row in shown],
            page=page_pb2.PageReply(total=total, next_cursor=cursor),
        )

    async def get_campaign_failures(self, request: api.GetCampaignFailuresRequest) -> api.GetCampaignFailuresReply:
        """Group the agents that failed by what they said."""
        check_request(request)
        found, total = await agent_store.failures(self._pool, await self._one(request))
        return api.GetCampaignFailuresReply(failures=[wire.failure_message(each) for each in found], total=total)

    async def _one(self, request: Any) -> Campaign:
        return await self._campaigns.get(request.tenant_id, wire.campaign_id_of(request.id))

    def _told(self, campaign: Campaign) -> api.Campaign:
        return wire.campaign_message(campaign, self._clock.now())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _check_states(states: Sequence[str], known: frozenset[str]) -> None:
    unknown = sorted(set(states) - known)
    if unknown:
        raise invalid("states", f"must be some of: {', '.join(sorted(known))}")
