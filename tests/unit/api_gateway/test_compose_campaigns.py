"""Campaigns between REST and package-service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose import campaigns as compose
from api_gateway.models import campaigns as views
from contracts.ids import format_uid
from fleet.api.v1 import campaigns_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply

UID = bytes(range(16))
FULL = {
    "name": "to-1.1",
    "assignment_id": "a1",
    "to_version": "1.1.0",
    "stages": [{"selector": {"ring": "canary"}}, {"percent": 10}, {"percent": 100}],
    "max_in_flight": 7,
    "watch_seconds": 0,
    "timeout_seconds": 60,
    "failure_threshold": {"count": 3},
    "window": {"time_zone": "Europe/Berlin", "days": ["mon", "sun"], "from": "22:00", "to": "04:00"},
    "rollback": False,
}


@pytest.mark.parametrize("changes", [{}, {"window": None, "failure_threshold": {"percent": 5}, "rollback": True}])
def test_plans_come_back_as_they_went(changes: dict[str, Any], conforms: Callable[[Any, Any], None]) -> None:
    """What a person writes is what the API shows; nothing said stays nothing said."""
    document = views.NewCampaign.model_validate({**FULL, **changes})
    campaign = messages.Campaign(
        name=document.name,
        assignment_id="a1",
        to_version="1.1.0",
        plan=compose.plan_message(document),
        state="running",
        stage=1,
        agents={"waiting": 3},
        revision=2,
        created_at=Timestamp(seconds=1),
    )

    view = compose.campaign_view(campaign)

    conforms(views.Campaign, view)
    shown = views.NewCampaign.model_validate(
        {
            **view,
            "stages": [{key: value for key, value in stage.items() if value is not None} for stage in view["stages"]],
        }
    )
    assert shown == document
    assert (view["agents"], view["opens_at"]) == ({"waiting": 3}, None)


def test_pages(conforms: Callable[[Any, Any], None]) -> None:
    """Of campaigns, and of a campaign's agents."""
    page = compose.campaign_page_view(
        messages.ListCampaignsReply(campaigns=[messages.Campaign(id="c1")], page=PageReply(total=2, next_cursor="x")),
        limit=1,
        offset=0,
    )
    agent = messages.CampaignAgent(
        instance_uid=UID, state="failed", stage=1, error_message="disk full", put_back=True, since=Timestamp(seconds=1)
    )
    agents = compose.agent_page_view(
        messages.ListCampaignAgentsReply(agents=[agent], page=PageReply(total=1)), limit=20, offset=0
    )

    conforms(views.CampaignPage, page)
    conforms(views.CampaignAgentPage, agents)
    assert page["next_cursor"] == "x"
    assert agents["agents"][0]["agent_id"] == format_uid(UID)


def test_failures_name_their_agents(conforms: Callable[[Any, Any], None]) -> None:
    """By id, under the words they have in common."""
    failure = messages.CampaignFailure(error_message="disk full", count=2, instance_uids=[UID])

    view = compose.failures_view(messages.GetCampaignFailuresReply(failures=[failure], total=2))

    conforms(views.CampaignFailures, view)
    assert view["failures"][0]["agents"] == [format_uid(UID)]
