from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import subjects
from fleet.api.v1 import config_service_pb2 as api
from servicekit.errors import Invalid, NotFound
from world.facts import uid_of

from .conftest import TENANT, FakeAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .conftest import Running

GOOD = "a: 1\n"


@pytest.fixture
def overrides() -> dict[str, object]:
    """Make no repeats that would blur the count."""
    return {"redo_first_seconds": 30.0}


async def assign(service: Running, uid: bytes, name: str) -> api.AgentConfiguration:
    """Assign an agent."""
    request = api.AssignConfigurationRequest(tenant_id=TENANT, instance_uid=uid, name=name, author="fay")
    return (await service.bus.call(subjects.ASSIGN_CONFIGURATION, request)).agent


async def clear(service: Running, uid: bytes) -> api.AgentConfiguration:
    """Clear a failure."""
    request = api.ClearFailureRequest(tenant_id=TENANT, instance_uid=uid, author="fay")
    return (await service.bus.call(subjects.CLEAR_FAILURE, request)).agent


async def settled(service: Running, eventually: Callable[..., Awaitable[object]], agent: FakeAgent, state: str) -> None:
    """Wait until the agent stands there."""

    async def is_there() -> bool:
        return await service.state(agent.uid) == state

    await eventually(is_there)


async def test_push_tells_agent_by_agent(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Who was reached, who not, and why; the failed ones are tried again with the asker in the ledger."""
    made = await service.create("a", GOOD, {"env": "prod"})
    failing, silent, deaf, gone = (FakeAgent(uid_of(number), {"env": "prod"}) for number in range(1, 5))
    deaf.capabilities = 1
    await service.say(*failing.connected(), *silent.connected(), *deaf.connected(), *gone.connected())
    await settled(service, eventually, failing, "pending")
    await service.say(failing.delivered(made.config_hash), failing.status("FAILED", made.config_hash, "bad"))
    await service.say(gone.disconnected())
    await settled(service, eventually, failing, "failed")
    await settled(service, eventually, silent, "pending")
    await settled(service, eventually, deaf, "none")

    async def has_gone() -> bool:
        return await service.pool.fetchval("SELECT connected FROM agent_target WHERE uid = $1", gone.uid) is False

    await eventually(has_gone)

    reply = await service.push("a", failing.uid, silent.uid, deaf.uid, gone.uid, uid_of(9), failing.uid)

    assert list(reply.affected_uids) == [failing.uid, silent.uid]
    assert {failure.instance_uid: failure.reason for failure in reply.failed} == {
        deaf.uid: "the agent does not accept remote configuration",
        gone.uid: "the agent is not connected; it receives the configuration when it connects",
        uid_of(9): "there is no such agent",
    }
    newest, oldest = await service.attempts(failing.uid)
    assert (newest.status, newest.cause, newest.requested_by, newest.attempt) == ("pending", "push", "eve", 2)
    assert (oldest.status, oldest.error_message, oldest.attempt) == ("failed", "bad", 1)
    await eventually(lambda: service.gateway.offered_to(failing.uid).count(made.config_hash) >= 2)


async def test_push_to_all_reaches_those_that_should_run_it(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Without names: every connected agent whose configuration this is, beyond any page size."""
    await service.create("a", GOOD, {"env": "prod"})
    agents = [FakeAgent(uid_of(number), {"env": "prod"}) for number in range(1200)]
    await service.say(*(fact for agent in agents for fact in agent.connected()))

    async def all_known() -> bool:
        status = await service.bus.call(
            subjects.GET_CONFIGURATION_STATUS, api.GetConfigurationStatusRequest(tenant_id=TENANT, name="a")
        )
        return bool(status.connected == len(agents))

    await eventually(all_known)

    assert len((await service.push("a")).affected_uids) == len(agents)


async def test_push_never_writes_the_document(service: Running) -> None:
    """An edit beside it survives, and nothing was applied just because somebody pushed."""
    await service.create("a", GOOD)
    await service.update("a", raw_config="a: 2\n")

    await service.push("a")

    request = api.GetConfigurationRequest(tenant_id=TENANT, name="a")
    found = (await service.bus.call(subjects.GET_CONFIGURATION, request)).configuration
    assert (found.version, found.raw_config) == (2, "a: 2\n")
    assert not found.HasField("last_applied_at")


async def test_push_to_an_agent_that_runs_it_sends_nothing_again(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """It counts as reached; the agent is left in peace; last_applied_at is when it said APPLIED."""
    made = await service.create("a", GOOD, {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await settled(service, eventually, agent, "pending")
    await service.say(agent.delivered(made.config_hash), agent.status("APPLIED", made.config_hash))
    await settled(service, eventually, agent, "applied")
    offers = len(service.gateway.offered_to(agent.uid))

    reply = await service.push("a", agent.uid)

    assert list(reply.affected_uids) == [agent.uid]
    assert len(await service.attempts(agent.uid)) == 1
    assert len(service.gateway.offered_to(agent.uid)) == offers
    request = api.GetConfigurationRequest(tenant_id=TENANT, name="a")
    assert (await service.bus.call(subjects.GET_CONFIGURATION, request)).configuration.HasField("last_applied_at")


async def test_push_to_an_agent_of_another_configuration_assigns_it(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """A person's choice for one agent stands above selectors, until taken back."""
    await service.create("a", GOOD, {"env": "prod"})
    special = await service.create("special", "b: 1\n")
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await settled(service, eventually, agent, "pending")

    await service.push("special", agent.uid)

    explained = await service.agent(agent.uid)
    assert explained is not None
    assert (explained.configuration_name, explained.reason, explained.assigned_name) == (
        "special",
        "assignment",
        "special",
    )
    assert list(explained.candidates) == ["a"]
    await eventually(lambda: special.config_hash in service.gateway.offered_to(agent.uid))

    back = await assign(service, agent.uid, "")
    assert (back.configuration_name, back.reason, back.assigned_name) == ("a", "selector", "")


async def test_assignment_survives_new_descriptions_and_ends_with_its_configuration(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """It is a decision, not a match; deleting the configuration takes it away."""
    await service.create("a", GOOD, {"env": "prod"})
    await service.create("special", "b: 1\n")
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await settled(service, eventually, agent, "pending")
    assert (await assign(service, agent.uid, "special")).reason == "assignment"

    agent.epoch = 2
    await service.say(*agent.connected())
    request = api.DeleteConfigurationRequest(tenant_id=TENANT, name="special", author="dan")
    await service.bus.call(subjects.DELETE_CONFIGURATION, request)

    explained = await service.agent(agent.uid)
    assert explained is not None
    assert (explained.configuration_name, explained.assigned_name) == ("a", "")


async def test_failure_is_cleared_by_a_person(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Quarantined with its error text; cleared, it is offered again; clearing what did not fail changes nothing."""
    made = await service.create("a", GOOD, {"env": "prod"})
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await settled(service, eventually, agent, "pending")
    await service.say(agent.delivered(made.config_hash), agent.status("FAILED", made.config_hash, "port in use"))
    await settled(service, eventually, agent, "failed")
    explained = await service.agent(agent.uid)
    assert explained is not None
    assert (explained.quarantined, explained.error_message) == (True, "port in use")
    offers = len(service.gateway.offered_to(agent.uid))

    cleared = await clear(service, agent.uid)

    assert (cleared.state, cleared.quarantined) == ("pending", False)
    await eventually(lambda: len(service.gateway.offered_to(agent.uid)) > offers)
    assert (await clear(service, agent.uid)).state == "pending"
    assert len(await service.attempts(agent.uid)) == 2


async def test_unknown_agents_and_wrong_ids_are_refused(service: Running) -> None:
    """Not found, invalid, or simply left out of a list."""
    with pytest.raises(NotFound):
        await assign(service, uid_of(7), "")
    with pytest.raises(NotFound):
        await clear(service, uid_of(7))
    with pytest.raises(NotFound):
        await assign(service, uid_of(7), "nowhere")
    with pytest.raises(Invalid):
        await clear(service, b"short")
    with pytest.raises(Invalid):
        await service.attempts()
    assert await service.agent(uid_of(7)) is None


async def test_ledger_counts_by_status(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """By configuration or agent, filtered or not; the counts are of all."""
    made = await service.create("a", GOOD, {"env": "prod"})
    good, bad = (FakeAgent(uid_of(number), {"env": "prod"}) for number in (1, 2))
    await service.say(*good.connected(), *bad.connected())
    await settled(service, eventually, good, "pending")
    await settled(service, eventually, bad, "pending")
    await service.say(good.delivered(made.config_hash), good.status("APPLIED", made.config_hash))
    await service.say(bad.delivered(made.config_hash), bad.status("FAILED", made.config_hash, "no"))
    await settled(service, eventually, good, "applied")
    await settled(service, eventually, bad, "failed")

    request = api.ListAttemptsRequest(tenant_id=TENANT, name="a", statuses=["failed"])
    reply = await service.bus.call(subjects.LIST_ATTEMPTS, request)

    assert [(attempt.instance_uid, attempt.error_message) for attempt in reply.attempts] == [(bad.uid, "no")]
    assert reply.page.total == 1
    assert dict(reply.status_counts) == {"applied": 1, "failed": 1}
