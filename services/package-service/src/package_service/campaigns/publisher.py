"""What is said of campaigns to the rest of the world, through the outbox: after commit, at least once, in order."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from contracts import subjects
from fleet.events.v1 import campaign_pb2
from servicekit import outbox
from servicekit.outbox import OutboxEvent

if TYPE_CHECKING:
    from package_service.campaigns.campaign import Campaign
    from servicekit.postgres import Connection

_NANOSECONDS = 1_000_000_000


async def say_campaign(connection: Connection, what: str, campaign: Campaign, author: str = "") -> None:
    """Write one event; *what* is started, paused, resumed, halted, completed or aborted."""
    event = campaign_pb2.CampaignEvent(
        event_id=str(uuid.uuid4()),
        tenant_id=campaign.tenant_id,
        campaign_id=str(campaign.campaign_id),
        name=campaign.name,
        assignment_id=str(campaign.assignment_id),
        package=campaign.package,
        from_version=campaign.from_version,
        to_version=campaign.to_version,
        stage=campaign.rollout.stage + 1,
        reason=campaign.rollout.reason,
        author=author,
        time_unix_nano=int(campaign.updated_at.timestamp() * _NANOSECONDS),
    )
    getattr(event, what).SetInParent()
    subject = subjects.campaign_event(what, campaign.tenant_id)
    await outbox.add(connection, [OutboxEvent(subject, event.SerializeToString(), event.event_id)])
