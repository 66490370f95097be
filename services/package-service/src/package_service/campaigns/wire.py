"""Between campaigns and messages. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fleet.api.v1 import campaigns_pb2 as api
from package_service.campaigns.campaign import Draft
from package_service.errors import CampaignNotFound
from rollout import Member, Plan, Stage, State, Threshold, Window

if TYPE_CHECKING:
    from datetime import datetime

    from package_service.campaigns.agent_store import Failure
    from package_service.campaigns.campaign import Campaign


def draft_of(name: str, to_version: str, plan: api.CampaignPlan) -> Draft:
    """Read what a person wrote; whether it can be is for others to say."""
    threshold = plan.failure_threshold
    return Draft(
        name,
        to_version,
        Plan(
            stages=tuple(
                Stage(stage.percent if stage.HasField("percent") else None, dict(stage.selector))
                for stage in plan.stages
            ),
            max_in_flight=plan.max_in_flight,
            watch_seconds=plan.watch_seconds,
            timeout_seconds=plan.timeout_seconds,
            threshold=Threshold(
                threshold.percent if threshold.HasField("percent") else None,
                threshold.count if threshold.HasField("count") else None,
            ),
            window=_window_of(plan),
            rollback=plan.rollback,
        ),
    )


def campaign_message(campaign: Campaign, now: datetime) -> api.Campaign:
    """Write a campaign as it looks now."""
    rollout, window = campaign.rollout, campaign.plan.window
    message = api.Campaign(
        id=str(campaign.campaign_id),
        tenant_id=campaign.tenant_id,
        name=campaign.name,
        assignment_id=str(campaign.assignment_id),
        package=campaign.package,
        from_version=campaign.from_version,
        to_version=campaign.to_version,
        plan=_plan_message(campaign.plan),
        state=rollout.state.value,
        reason=rollout.reason,
        stage=0 if rollout.state is State.DRAFT else rollout.stage + 1,
        agents=campaign.agents,
        revision=campaign.revision,
        created_by=campaign.created_by,
        updated_by=campaign.updated_by,
    )
    message.created_at.FromDatetime(campaign.created_at)
    message.updated_at.FromDatetime(campaign.updated_at)
    if campaign.started_at is not None:
        message.started_at.FromDatetime(campaign.started_at)
    if campaign.ended_at is not None:
        message.ended_at.FromDatetime(campaign.ended_at)
    elif window is not None and (opening := window.next_opening(now)) is not None:
        message.opens_at.FromDatetime(opening)
    return message


def agent_message(member: Member) -> api.CampaignAgent:
    """Write one agent of a campaign."""
    message = api.CampaignAgent(
        instance_uid=member.uid,
        state=member.state.value,
        stage=0 if member.stage is None else member.stage + 1,
        error_message=member.error,
        put_back=member.put_back,
    )
    if member.since is not None:
        message.since.FromDatetime(member.since)
    return message


def failure_message(failure: Failure) -> api.CampaignFailure:
    """Write agents that failed alike."""
    return api.CampaignFailure(error_message=failure.error, count=failure.count, instance_uids=failure.uids)


def campaign_id_of(text: str) -> UUID:
    """Read the id of a campaign; what cannot be one names none."""
    try:
        return UUID(text)
    except ValueError:
        raise CampaignNotFound from None


def _window_of(plan: api.CampaignPlan) -> Window | None:
    if not plan.HasField("window"):
        return None
    window = plan.window
    # `from` is a word of Python's.
    return Window(window.time_zone, tuple(window.days), getattr(window, "from"), window.to)


def _plan_message(plan: Plan) -> api.CampaignPlan:
    message = api.CampaignPlan(
        stages=[api.CampaignStage(percent=stage.percent, selector=stage.selector) for stage in plan.stages],
        max_in_flight=plan.max_in_flight,
        watch_seconds=plan.watch_seconds,
        timeout_seconds=plan.timeout_seconds,
        failure_threshold=api.CampaignThreshold(percent=plan.threshold.percent, count=plan.threshold.count),
        rollback=plan.rollback,
    )
    if plan.window is not None:
        window = {"time_zone": plan.window.time_zone, "from": plan.window.from_time, "to": plan.window.to_time}
        message.window.CopyFrom(api.CampaignWindow(days=plan.window.days, **window))
    return message
