"""The questions about campaigns, whole: over the bus, to the service as it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts import subjects
from fleet.api.v1 import campaigns_pb2 as api
from fleet.api.v1 import page_pb2
from servicekit.errors import Conflict, Invalid, NotFound, PreconditionFailed
from world.eventually import wait_until

from .campaign_ground import uid_of
from .conftest import TENANT, program
from .test_campaigns_assignments import prepare

if TYPE_CHECKING:
    from uuid import UUID

    from .conftest import Running


@pytest.fixture
def overrides() -> dict[str, object]:
    """Look often."""
    return {"campaign_interval_seconds": 0.1}


async def ask(service: Running, method: Any, **fields: Any) -> Any:
    """Ask, for our tenant unless said otherwise."""
    return await service.bus.call(method, method.request_type(**{"tenant_id": TENANT, "author": "ann", **fields}))


async def look(service: Running, method: Any, **fields: Any) -> Any:
    """Ask what needs no author."""
    return await service.bus.call(method, method.request_type(**{"tenant_id": TENANT, **fields}))


def plan(**changes: Any) -> api.CampaignPlan:
    """Write a plan that may be run, but for what is changed."""
    return api.CampaignPlan(
        **{
            "stages": [api.CampaignStage(percent=100)],
            "max_in_flight": 2,
            "watch_seconds": 0,
            "timeout_seconds": 600,
            "failure_threshold": api.CampaignThreshold(count=1),
            "rollback": True,
            **changes,
        }
    )


async def ground(service: Running) -> UUID:
    """Publish two versions, and write an assignment with three agents."""
    await service.publish(program(), "1.0.0")
    await service.publish(program(), "1.1.0")
    return await prepare(service.pool)


async def made(service: Running, assignment_id: UUID, **changes: Any) -> api.Campaign:
    """Write a campaign."""
    fields = {"name": "to-1.1", "to_version": "1.1.0", "plan": plan(), **changes}
    reply = await ask(service, subjects.CREATE_CAMPAIGN, assignment_id=str(assignment_id), **fields)
    campaign: api.Campaign = reply.campaign
    return campaign


async def test_life_of_a_campaign(service: Running) -> None:
    """Written, listed, changed, started; agents are admitted by itself; aborted, looked at, deleted."""
    campaign = await made(service, await ground(service))
    assert (campaign.state, campaign.stage, campaign.from_version) == ("draft", 0, "1.0.0")
    changed = await ask(
        service,
        subjects.UPDATE_CAMPAIGN,
        id=campaign.id,
        name="renamed",
        to_version="1.1.0",
        plan=plan(max_in_flight=1),
        expected_revision=1,
    )
    assert (changed.campaign.name, changed.campaign.plan.max_in_flight) == ("renamed", 1)
    with pytest.raises(PreconditionFailed):
        await ask(service, subjects.STEER_CAMPAIGN, id=campaign.id, action="start", expected_revision=1)
    begun = await ask(service, subjects.STEER_CAMPAIGN, id=campaign.id, action="start", expected_revision=2)
    assert (begun.campaign.state, begun.campaign.stage) == ("running", 1)

    async def admitted() -> bool:
        found = await look(service, subjects.LIST_CAMPAIGN_AGENTS, id=campaign.id, states=["admitted"])
        return len(found.agents) == 1

    await wait_until(admitted)
    listed = await look(service, subjects.LIST_CAMPAIGNS, states=["running"], search="REN", package="collector")
    assert [each.id for each in listed.campaigns] == [campaign.id]
    assert dict(listed.campaigns[0].agents) == {"admitted": 1, "waiting": 2}
    everybody = await look(service, subjects.LIST_CAMPAIGN_AGENTS, id=campaign.id, page=page_pb2.PageRequest(limit=2))
    assert [agent.instance_uid for agent in everybody.agents] == [uid_of(0), uid_of(1)]
    assert (everybody.page.total, bool(everybody.page.next_cursor)) == (3, True)
    with pytest.raises(Conflict):
        await ask(service, subjects.DELETE_CAMPAIGN, id=campaign.id)

    ended = await ask(service, subjects.STEER_CAMPAIGN, id=campaign.id, action="abort")
    assert (ended.campaign.state, ended.campaign.updated_by) == ("aborted", "ann")
    failures = await look(service, subjects.GET_CAMPAIGN_FAILURES, id=campaign.id)
    assert (failures.total, list(failures.failures)) == (0, [])
    await ask(service, subjects.DELETE_CAMPAIGN, id=campaign.id)
    with pytest.raises(NotFound):
        await look(service, subjects.GET_CAMPAIGN, id=campaign.id)


async def test_failures_are_named(service: Running) -> None:
    """With their words and their agents, after the campaign held itself."""
    assignment_id = await ground(service)
    campaign = await made(service, assignment_id)
    await ask(service, subjects.STEER_CAMPAIGN, id=campaign.id, action="start")
    fail = """
        UPDATE agent_package SET version = '1.1.0', state = 'failed', error = 'disk full'
        WHERE instance_uid IN (SELECT instance_uid FROM campaign_agent WHERE state = 'admitted')
    """

    async def halted() -> bool:
        await service.pool.execute(fail)
        return bool((await look(service, subjects.GET_CAMPAIGN, id=campaign.id)).campaign.state == "halted")

    await wait_until(halted)

    found = await look(service, subjects.GET_CAMPAIGN_FAILURES, id=campaign.id)
    assert {failure.error_message for failure in found.failures} == {"disk full"}
    assert found.total == sum(failure.count for failure in found.failures) >= 1


@pytest.mark.parametrize(
    ("method", "fields", "wrong"),
    [
        (subjects.LIST_CAMPAIGNS, {"tenant_id": "a.b"}, "tenant_id"),
        (subjects.LIST_CAMPAIGNS, {"states": ["asleep"]}, "states"),
        (subjects.LIST_CAMPAIGNS, {"assignment_id": "x"}, "assignment_id"),
        (subjects.LIST_CAMPAIGNS, {"search": "\x00"}, "search"),
        (subjects.LIST_CAMPAIGNS, {"page": page_pb2.PageRequest(cursor="x")}, "cursor"),
        (subjects.STEER_CAMPAIGN, {"action": "jump"}, "action"),
        (subjects.LIST_CAMPAIGN_AGENTS, {"states": ["asleep"]}, "states"),
        (subjects.CREATE_CAMPAIGN, {"name": "../x", "assignment_id": "0" * 32, "plan": plan()}, "name"),
        (subjects.CREATE_CAMPAIGN, {"name": "a", "to_version": "1.1.0", "assignment_id": "0" * 32}, "stages"),
    ],
)
async def test_wrong_questions_name_the_field(
    service: Running, method: Any, fields: dict[str, Any], wrong: str
) -> None:
    """Whatever cannot be is refused before anything is looked up."""
    with pytest.raises(Invalid) as caught:
        await look(service, method, **fields)

    assert caught.value.details[0].field == wrong


async def test_ids_that_cannot_be(service: Running) -> None:
    """They name nothing."""
    steer = {"action": "start"}
    for method, fields in (
        (subjects.GET_CAMPAIGN, {}),
        (subjects.DELETE_CAMPAIGN, {}),
        (subjects.STEER_CAMPAIGN, steer),
        (subjects.LIST_CAMPAIGN_AGENTS, {}),
        (subjects.GET_CAMPAIGN_FAILURES, {}),
    ):
        with pytest.raises(NotFound):
            await look(service, method, id="../../x", **fields)
    with pytest.raises(NotFound):
        await made(service, "no-assignment")  # type: ignore[arg-type]  # what somebody may send
