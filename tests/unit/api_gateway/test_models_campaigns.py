"""What may be written of campaigns; whether a plan makes sense is package-service's to say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.campaigns import CampaignAgentQuery, CampaignChange, CampaignQuery, NewCampaign

CAMPAIGN: dict[str, Any] = {
    "name": "to-1.1",
    "assignment_id": "a1",
    "to_version": "1.1.0",
    "stages": [{"selector": {"ring": "canary"}}, {"percent": 100}],
}


def test_what_is_left_out_has_a_careful_default() -> None:
    """Fifty at once, watched for five minutes, halted at five per cent."""
    campaign = NewCampaign.model_validate(CAMPAIGN)

    assert (campaign.max_in_flight, campaign.watch_seconds, campaign.timeout_seconds) == (50, 300, 3600)
    assert (campaign.failure_threshold.percent, campaign.failure_threshold.count) == (5, None)
    assert campaign.rollback
    assert campaign.window is None


def test_windows_are_written_with_from() -> None:
    """As people say it, though it is a word of Python's."""
    window = {"time_zone": "Europe/Berlin", "days": ["mon"], "from": "22:00", "to": "04:00"}

    read = NewCampaign.model_validate({**CAMPAIGN, "window": window}).window

    assert read is not None
    assert (read.from_time, read.to_time) == ("22:00", "04:00")


@pytest.mark.parametrize(
    "fault",
    [
        {"stages": [{"percent": 0}]},
        {"stages": [{"percent": 101}]},
        {"stages": [{"percent": 100}] * 21},
        {"stages": [{"share": 100}]},
        {"max_in_flight": 0},
        {"watch_seconds": -1},
        {"timeout_seconds": 0},
        {"failure_threshold": {"count": 0}},
        {"window": {"time_zone": "UTC", "days": [], "from": "22:00", "to": "04:00"}},
        {"window": {"time_zone": "UTC", "days": ["monday"], "from": "22:00", "to": "04:00"}},
        {"window": {"time_zone": "UTC", "days": ["mon"], "from": "22:00"}},
        {"name": "n" * 2001},
        {"owner": "me"},
    ],
)
def test_campaigns_that_cannot_be(fault: dict[str, Any]) -> None:
    """Nothing to do, more than all, a day nobody knows, a field nobody knows."""
    with pytest.raises(ValidationError):
        NewCampaign.model_validate({**CAMPAIGN, **fault})


def test_what_was_read_may_be_sent_back() -> None:
    """Fields only the server writes are dropped; a change leaves the assignment as it is."""
    read = {**CAMPAIGN, "id": "c1", "state": "draft", "agents": {}, "revision": 3, "started_at": None}

    assert NewCampaign.model_validate(read).assignment_id == "a1"
    assert CampaignChange.model_validate(read).name == "to-1.1"


def test_filters_know_their_states() -> None:
    """A typing error never passes for a wish."""
    assert CampaignQuery.model_validate({"state": ["halted"]}).state == ("halted",)
    for model in (CampaignQuery, CampaignAgentQuery):
        with pytest.raises(ValidationError):
            model.model_validate({"state": ["asleep"]})
