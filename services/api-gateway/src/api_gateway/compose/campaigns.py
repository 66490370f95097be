"""From package-service's messages about campaigns to views, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.compose.values import moment, uid_text
from fleet.api.v1 import campaigns_pb2 as messages

if TYPE_CHECKING:
    from api_gateway.models import campaigns as views


def plan_message(document: views.CampaignChange) -> messages.CampaignPlan:
    """Write the plan a document asks for; what it leaves out stays unset."""
    plan = messages.CampaignPlan(
        stages=[messages.CampaignStage(percent=stage.percent, selector=stage.selector) for stage in document.stages],
        max_in_flight=document.max_in_flight,
        watch_seconds=document.watch_seconds,
        timeout_seconds=document.timeout_seconds,
        failure_threshold=messages.CampaignThreshold(
            percent=document.failure_threshold.percent, count=document.failure_threshold.count
        ),
        rollback=document.rollback,
    )
    window = document.window
    if window is not None:
        times = {"time_zone": window.time_zone, "from": window.from_time, "to": window.to_time}
        plan.window.CopyFrom(messages.CampaignWindow(days=window.days, **times))
    return plan


def campaign_view(campaign: messages.Campaign) -> views.Campaign:
    """Show a campaign."""
    plan = campaign.plan
    return {
        "id": campaign.id,
        "name": campaign.name,
        "assignment_id": campaign.assignment_id,
        "package": campaign.package,
        "from_version": campaign.from_version,
        "to_version": campaign.to_version,
        "stages": [_stage_view(stage) for stage in plan.stages],
        "max_in_flight": plan.max_in_flight,
        "watch_seconds": plan.watch_seconds,
        "timeout_seconds": plan.timeout_seconds,
        "failure_threshold": _threshold_view(plan.failure_threshold),
        "window": _window_view(plan.window) if plan.HasField("window") else None,
        "rollback": plan.rollback,
        "state": campaign.state,
        "reason": campaign.reason,
        "stage": campaign.stage,
        "agents": dict(campaign.agents),
        "opens_at": moment(campaign.opens_at),
        "revision": campaign.revision,
        "created_by": campaign.created_by,
        "created_at": moment(campaign.created_at),
        "updated_by": campaign.updated_by,
        "updated_at": moment(campaign.updated_at),
        "started_at": moment(campaign.started_at),
        "ended_at": moment(campaign.ended_at),
    }


def campaign_page_view(reply: messages.ListCampaignsReply, *, limit: int, offset: int) -> views.CampaignPage:
    """Show part of a list."""
    return {
        "campaigns": [campaign_view(campaign) for campaign in reply.campaigns],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def agent_page_view(reply: messages.ListCampaignAgentsReply, *, limit: int, offset: int) -> views.CampaignAgentPage:
    """Show part of the agents of a campaign."""
    return {
        "agents": [
            {
                "agent_id": uid_text(agent.instance_uid),
                "state": agent.state,
                "stage": agent.stage,
                "since": moment(agent.since),
                "error_message": agent.error_message,
                "put_back": agent.put_back,
            }
            for agent in reply.agents
        ],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def failures_view(reply: messages.GetCampaignFailuresReply) -> views.CampaignFailures:
    """Show what went wrong."""
    return {
        "failures": [
            {
                "error_message": failure.error_message,
                "count": failure.count,
                "agents": [uid_text(uid) for uid in failure.instance_uids],
            }
            for failure in reply.failures
        ],
        "total": reply.total,
    }


def _stage_view(stage: messages.CampaignStage) -> views.CampaignStageView:
    if stage.HasField("percent"):
        return {"percent": stage.percent, "selector": None}
    return {"percent": None, "selector": dict(stage.selector)}


def _threshold_view(threshold: messages.CampaignThreshold) -> views.FailureThresholdView:
    return {
        "percent": threshold.percent if threshold.HasField("percent") else None,
        "count": threshold.count if threshold.HasField("count") else None,
    }


def _window_view(window: messages.CampaignWindow) -> views.MaintenanceWindowView:
    return {
        "time_zone": window.time_zone,
        "days": list(window.days),
        "from": getattr(window, "from"),
        "to": window.to,
    }
