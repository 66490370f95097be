"""What the world hears of campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts import subjects
from fleet.events.v1 import campaign_pb2
from package_service.campaigns import publisher
from package_service.campaigns.campaigns import ACTIONS

from .conftest import TENANT
from .test_campaigns_campaign_store import kept

if TYPE_CHECKING:
    import asyncpg


async def test_each_deed_has_its_event(pool: asyncpg.Pool) -> None:
    """On its own subject, with everything a listener needs to know which campaign it is."""
    campaign = await kept(pool)
    whats = [*ACTIONS.values(), "halted", "completed"]
    async with pool.acquire() as connection, connection.transaction():
        for what in whats:
            await publisher.say_campaign(connection, what, campaign, "bob")

    rows = await pool.fetch("SELECT subject, payload, message_id FROM outbox ORDER BY id")
    events = [campaign_pb2.CampaignEvent.FromString(row["payload"]) for row in rows]
    assert [row["subject"] for row in rows] == [subjects.campaign_event(what, TENANT) for what in whats]
    assert [event.WhichOneof("what") for event in events] == whats
    assert [event.event_id for event in events] == [row["message_id"] for row in rows]
    assert (events[0].campaign_id, events[0].author) == (str(campaign.campaign_id), "bob")
    assert (events[0].from_version, events[0].to_version) == ("1.0.0", "1.1.0")
