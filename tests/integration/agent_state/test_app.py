from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as api
from fleet.api.v1 import identity_pb2 as identity
from servicekit.errors import NotFound
from world.facts import connected, described, disconnected, uid_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .conftest import Running


async def test_facts_on_the_bus_become_agents_in_the_answer(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Connected and Described make an agent that lists show; Disconnected takes it offline."""
    uid = uid_of(1)
    await service.say(connected(uid, 5), described(uid, 5, 2))

    async def is_listed() -> bool:
        reply = await service.bus.call(subjects.LIST_AGENTS, api.ListAgentsRequest(tenant_id="default"))
        return [agent.name for agent in reply.agents] == ["collector"] and reply.agents[0].status == "online"

    await eventually(is_listed)
    await service.say(disconnected(uid, 5, 3))

    async def is_offline() -> bool:
        reply = await service.bus.call(subjects.GET_AGENT, api.GetAgentRequest(tenant_id="default", instance_uid=uid))
        return reply.agent.status == "offline" and reply.agent.disconnect_reason == "connection closed"

    await eventually(is_offline)


async def test_epochs_grow_and_are_handed_out_in_rows(service: Running) -> None:
    """Every call gets numbers above all numbers given before."""
    first = await service.bus.call(subjects.ALLOCATE_EPOCHS, api.AllocateEpochsRequest(gateway_id="a", count=10))
    second = await service.bus.call(subjects.ALLOCATE_EPOCHS, api.AllocateEpochsRequest(gateway_id="b", count=1))

    assert second.first == first.first + 10


async def test_tokens_are_made_and_revoked(service: Running) -> None:
    """A token lets agents in by the hash of its text until it is revoked."""
    made = await service.bus.call(
        subjects.CREATE_ENROLMENT_TOKEN, api.CreateEnrolmentTokenRequest(tenant_id="default", name="lab")
    )
    question = identity.AuthenticateAgentsRequest()
    question.proofs.add(token_hash=hashlib.sha256(made.secret.encode()).digest())

    before = (await service.bus.call(subjects.AUTHENTICATE_AGENTS, question)).verdicts[0]
    assert (before.refusal, before.tenant_id, before.credential_id) == ("", "default", made.token.id)

    await service.bus.call(
        subjects.REVOKE_ENROLMENT_TOKEN, api.RevokeEnrolmentTokenRequest(tenant_id="default", id=made.token.id)
    )
    assert (await service.bus.call(subjects.AUTHENTICATE_AGENTS, question)).verdicts[0].refusal


async def test_unknown_agents_are_not_found(service: Running) -> None:
    """Asking for an agent nobody saw is an error of its own kind."""
    with pytest.raises(NotFound):
        await service.bus.call(subjects.GET_AGENT, api.GetAgentRequest(tenant_id="default", instance_uid=uid_of(99)))
