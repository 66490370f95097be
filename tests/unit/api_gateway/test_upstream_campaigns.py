"""Questions about campaigns."""

from __future__ import annotations

from typing import Any

import pytest

from api_gateway.errors import Unprocessable
from api_gateway.models.campaigns import CampaignAgentQuery, CampaignQuery, NewCampaign
from api_gateway.upstream.campaigns import Campaigns
from servicekit.errors import Invalid, Problem

from .test_models_campaigns import CAMPAIGN


async def test_each_question_names_its_tenant(caller: Any) -> None:
    """Nobody reads or moves another tenant's campaigns."""
    bus = caller(0)
    campaigns = Campaigns(bus, 5)
    document = NewCampaign.model_validate(CAMPAIGN)

    await campaigns.create("t", document, "jo")
    await campaigns.update("t", "c1", document, "jo", expected_revision=3)
    await campaigns.campaign("t", "c1")
    await campaigns.list_campaigns("t", CampaignQuery(state=("halted",), q="x"))
    await campaigns.remove("t", "c1", "jo", expected_revision=3)
    await campaigns.steer("t", "c1", "abort", "jo", expected_revision=3)
    await campaigns.agents("t", "c1", CampaignAgentQuery(state=("failed",)))
    await campaigns.failures("t", "c1")

    assert {request.tenant_id for request in bus.requests} == {"t"}
    created, changed, _, listed, removed, steered, agents, _ = bus.requests
    assert (created.assignment_id, created.plan.max_in_flight, created.author) == ("a1", 50, "jo")
    assert changed.expected_revision == removed.expected_revision == steered.expected_revision == 3
    assert (list(listed.states), listed.search, steered.action) == (["halted"], "x", "abort")
    assert list(agents.states) == ["failed"]
    assert bus.timeouts == [5, 5, 5, 5, 5, 30, 5, 5]


async def test_refused_plans_are_unprocessable() -> None:
    """With the code and the fields package-service named."""

    class Refusing:
        async def call(self, *_: Any, **__: Any) -> Any:
            error = Invalid("no", details=[Problem("stages[0]", "no")])
            error.remote_code = "invalid_campaign"
            raise error

    with pytest.raises(Unprocessable) as caught:
        await Campaigns(Refusing(), 5).create("t", NewCampaign.model_validate(CAMPAIGN), "jo")

    assert (caught.value.stable_code, caught.value.details[0].field) == ("invalid_campaign", "stages[0]")
