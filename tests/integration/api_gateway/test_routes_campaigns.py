"""Campaigns over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from api_gateway.permissions import Role
from contracts import subjects
from contracts.ids import format_uid
from fleet.api.v1 import campaigns_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply
from servicekit.errors import Conflict, NotFound, PreconditionFailed

ROOT = "/api/v1/campaigns"
ONE = f"{ROOT}/c1"
UID = bytes(range(16))
PLAN = messages.CampaignPlan(
    stages=[messages.CampaignStage(percent=10), messages.CampaignStage(percent=100)],
    max_in_flight=50,
    watch_seconds=300,
    timeout_seconds=3600,
    failure_threshold=messages.CampaignThreshold(percent=5),
    rollback=True,
)
CAMPAIGN = messages.Campaign(id="c1", name="to-1.1", assignment_id="a1", plan=PLAN, state="draft", revision=3)
DRAFT = {"name": "to-1.1", "to_version": "1.1.0", "stages": [{"percent": 10}, {"percent": 100}]}


async def test_campaigns_are_written_read_and_listed(api: Any, stand: Any, conforms: Any) -> None:
    """201 with its address and revision; the next page is pointed at."""
    stand.answer(subjects.CREATE_CAMPAIGN, messages.CreateCampaignReply(campaign=CAMPAIGN))
    stand.answer(subjects.GET_CAMPAIGN, messages.GetCampaignReply(campaign=CAMPAIGN))
    page = PageReply(total=2, next_cursor="c")
    stand.answer(subjects.LIST_CAMPAIGNS, messages.ListCampaignsReply(campaigns=[CAMPAIGN], page=page))
    operator, viewer = await api.as_role(Role.OPERATOR), await api.as_role(Role.VIEWER)

    made = await api.call("POST", ROOT, token=operator, json={**DRAFT, "assignment_id": "a1"})
    read = await api.call("GET", ONE, token=viewer)
    listed = await api.call("GET", f"{ROOT}?state=running,halted&package=collector&limit=1", token=viewer)

    conforms(made, ("POST", ROOT))
    conforms(read, ("GET", f"{ROOT}/{{id}}"))
    conforms(listed, ("GET", ROOT))
    assert (made.status, made.headers["Location"], made.headers["ETag"]) == (201, ONE, '"3"')
    asked = stand.last(subjects.CREATE_CAMPAIGN)
    assert (asked.author, asked.plan.stages[0].percent, asked.plan.max_in_flight) == ("the-operator", 10, 50)
    assert list(stand.last(subjects.LIST_CAMPAIGNS).states) == ["running", "halted"]
    assert 'rel="next"' in listed.headers["Link"]


@pytest.mark.parametrize("action", ["start", "pause", "resume", "abort"])
async def test_campaigns_are_steered(api: Any, stand: Any, conforms: Any, action: str) -> None:
    """By operators, not by viewers; what cannot be now is 409."""
    stand.answer(subjects.STEER_CAMPAIGN, messages.SteerCampaignReply(campaign=CAMPAIGN))
    operator, viewer = await api.as_role(Role.OPERATOR), await api.as_role(Role.VIEWER)

    done = await api.call("POST", f"{ONE}/{action}", token=operator)
    refused = await api.call("POST", f"{ONE}/{action}", token=viewer)

    conforms(done, ("POST", f"{ROOT}/{{id}}/{action}"))
    asked = stand.last(subjects.STEER_CAMPAIGN)
    assert (done.status, asked.action, asked.author, refused.status) == (200, action, "the-operator", 403)

    def ended(_request: Any) -> Any:
        public = "a campaign that is completed cannot be paused"
        raise Conflict(public)

    stand.answer(subjects.STEER_CAMPAIGN, ended)
    assert (await api.call("POST", f"{ONE}/{action}", token=operator)).status == 409


async def test_changes_may_name_the_revision_they_are_of(api: Any, stand: Any, conforms: Any) -> None:
    """Whoever comes late gets 412 with the current one; without If-Match the last writer wins."""
    stand.answer(subjects.GET_CAMPAIGN, messages.GetCampaignReply(campaign=CAMPAIGN))
    stand.answer(subjects.UPDATE_CAMPAIGN, messages.UpdateCampaignReply(campaign=CAMPAIGN))
    stand.answer(subjects.DELETE_CAMPAIGN, messages.DeleteCampaignReply())
    operator = await api.as_role(Role.OPERATOR)

    free = await api.call("PUT", ONE, token=operator, json=DRAFT)
    assert stand.last(subjects.UPDATE_CAMPAIGN).expected_revision == 0
    right = await api.call("PUT", ONE, token=operator, json=DRAFT, headers={"If-Match": '"3"'})
    assert stand.last(subjects.UPDATE_CAMPAIGN).expected_revision == 3
    late = await api.call("PUT", ONE, token=operator, json=DRAFT, headers={"If-Match": '"2"'})
    gone = await api.call("DELETE", ONE, token=operator, headers={"If-Match": '"3"'})

    def faster(_request: Any) -> Any:
        public = "another revision is current"
        raise PreconditionFailed(public)

    for method in (subjects.UPDATE_CAMPAIGN, subjects.DELETE_CAMPAIGN, subjects.STEER_CAMPAIGN):
        stand.answer(method, faster)
    held = {"If-Match": '"3"'}
    raced = [
        await api.call("PUT", ONE, token=operator, json=DRAFT, headers=held),
        await api.call("DELETE", ONE, token=operator, headers=held),
        await api.call("POST", f"{ONE}/pause", token=operator, headers=held),
    ]

    conforms(right, ("PUT", f"{ROOT}/{{id}}"))
    conforms(gone, ("DELETE", f"{ROOT}/{{id}}"))
    assert (free.status, right.status, late.status, gone.status) == (200, 200, 412, 200)
    assert late.body["current_version"] == 3
    assert [(reply.status, reply.body["current_version"]) for reply in raced] == [(412, 3)] * 3

    def nothing(_request: Any) -> Any:
        public = "there is no such campaign"
        raise NotFound(public)

    stand.answer(subjects.GET_CAMPAIGN, nothing)
    assert (await api.call("PUT", ONE, token=operator, json=DRAFT)).status == 412


async def test_agents_and_failures(api: Any, stand: Any, conforms: Any) -> None:
    """Who stands where, and who failed with the same words."""
    agent = messages.CampaignAgent(instance_uid=UID, state="failed", error_message="disk full")
    failure = messages.CampaignFailure(error_message="disk full", count=1, instance_uids=[UID])
    stand.answer(
        subjects.LIST_CAMPAIGN_AGENTS,
        messages.ListCampaignAgentsReply(agents=[agent], page=PageReply(total=2, next_cursor="c")),
    )
    stand.answer(subjects.GET_CAMPAIGN_FAILURES, messages.GetCampaignFailuresReply(failures=[failure], total=1))
    viewer = await api.as_role(Role.VIEWER)

    agents = await api.call("GET", f"{ONE}/agents?state=failed&state=waiting&limit=1", token=viewer)
    failures = await api.call("GET", f"{ONE}/failures", token=viewer)

    conforms(agents, ("GET", f"{ROOT}/{{id}}/agents"))
    conforms(failures, ("GET", f"{ROOT}/{{id}}/failures"))
    assert list(stand.last(subjects.LIST_CAMPAIGN_AGENTS).states) == ["failed", "waiting"]
    assert 'rel="next"' in agents.headers["Link"]
    assert failures.body["failures"][0] == {
        "error_message": "disk full",
        "count": 1,
        "agents": [format_uid(UID)],
    }


async def test_plans_that_cannot_be_read(api: Any) -> None:
    """A field nobody knows, a share beyond all: named by their place, before anybody is asked."""
    operator = await api.as_role(Role.OPERATOR)
    draft = {**DRAFT, "assignment_id": "a1"}

    for fault, field in (
        ({"stages": [{"percent": 101}]}, "stages[0].percent"),
        ({"owner": "me"}, "owner"),
    ):
        reply = await api.call("POST", ROOT, token=operator, json={**draft, **fault})
        assert reply.status == 422, reply.text
        assert reply.body["details"][0]["field"] == field
