"""What people decide about agents, and what it does to their credentials and connections."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agent_state.errors import (
    AgentNotFound,
    AgentRefused,
    CredentialNotFound,
    DecisionNotAllowed,
    NothingToRotate,
)
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import identity_pb2 as api
from world.facts import batch, uid_of

from .identities import TENANT, Lab, came, hash_of, text_in

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier


@pytest.fixture
def lab(pool: asyncpg.Pool) -> Lab:
    """Give everything that decides who agents are."""
    return Lab(pool, datetime.now(UTC))


async def decide(lab: Lab, number: int, decision: str) -> agents.Agent:
    """Approve or reject an agent."""
    reply = await lab.routes.decide_agent(
        api.DecideAgentRequest(
            tenant_id=TENANT, instance_uid=uid_of(number), decision=decision, author="ann", comment="looks good"
        )
    )
    return reply.agent


async def revoke(lab: Lab, number: int, credential_id: str = "") -> list[api.AgentCredential]:
    """Revoke a credential, or the agent."""
    reply = await lab.routes.revoke_agent_access(
        api.RevokeAgentAccessRequest(
            tenant_id=TENANT, instance_uid=uid_of(number), credential_id=credential_id, author="ann"
        )
    )
    return list(reply.revoked)


async def test_an_agent_waits_until_it_is_approved(lab: Lab, apply: Applier) -> None:
    """Pending: let in, shown, offered nothing; approved: closed once, and given everything when it comes again."""
    token_id, shown = await lab.token(requires_approval=True, issues="bearer")
    pending = await lab.admit(token_id, uid_of(1))
    await apply(batch(came(uid_of(1), 5, token_id, withheld=True)))

    assert (pending.approval, pending.connection_settings) == ("pending", b"")
    assert (await lab.knock(shown, uid_of(1))).approval == "pending"

    agent = await decide(lab, 1, "approve")

    assert (agent.approval, agent.enrolment_token_id) == ("approved", token_id)
    assert [(list(said.instance_uids), said.close, said.reason) for said in lab.bus.said] == [
        ([uid_of(1)], True, "approved")
    ]
    admitted = await lab.admit(token_id, uid_of(1))
    assert admitted.approval == "approved"
    assert text_in(admitted.connection_settings).startswith("oac_k")
    assert [what for what in await lab.events() if what != "online"] == ["enrolled", "approved"]


async def test_a_rejected_agent_is_not_let_in_by_any_token(lab: Lab, apply: Applier) -> None:
    """Neither by its own token nor by a plain one; approving it later lets it in again."""
    token_id, shown = await lab.token(requires_approval=True)
    plain_id, plain = await lab.token()
    await lab.admit(token_id, uid_of(1))
    await apply(batch(came(uid_of(1), 5, token_id, withheld=True)))

    assert (await decide(lab, 1, "reject")).approval == "rejected"

    assert (await lab.knock(shown, uid_of(1))).refusal == "This agent was rejected."
    assert (await lab.knock(plain, uid_of(1))).refusal == "This agent was rejected."
    nameless = await lab.knock(plain)
    assert (nameless.refusal, nameless.needs_admission) == ("", True)
    for credential_id in (token_id, plain_id):
        with pytest.raises(AgentRefused, match="rejected"):
            await lab.admit(credential_id, uid_of(1))
    assert (await lab.admit(plain_id, uid_of(2))).approval == "approved"
    with pytest.raises(DecisionNotAllowed):
        await decide(lab, 1, "reject")
    assert (await decide(lab, 1, "approve")).approval == "approved"
    await lab.admit(token_id, uid_of(1))


async def test_revoking_an_agent_ends_all_it_has(lab: Lab, apply: Applier) -> None:
    """Its credentials, its enrolment and its connection; others are unaffected. Approving it lets it enrol anew."""
    token_id, shown = await lab.token(issues="bearer")
    text = text_in((await lab.admit(token_id, uid_of(1))).connection_settings)
    other = text_in((await lab.admit(token_id, uid_of(2))).connection_settings)
    (credential,) = await lab.credentials(uid_of(1))
    await apply(batch(came(uid_of(1), 5, credential.id)))

    (ended,) = await revoke(lab, 1)

    assert (ended.id, ended.state, ended.revoked_by) == (credential.id, "revoked", "ann")
    assert ended.HasField("revoked_at")
    (said,) = lab.bus.said
    assert (list(said.instance_uids), list(said.credential_ids)) == ([uid_of(1)], [credential.id])
    assert (said.close, said.reason) == (True, "unauthorised")
    assert (await lab.knock(hash_of(text))).refusal == "This credential was revoked."
    assert (await lab.knock(shown, uid_of(1))).refusal == "This agent's access was revoked."
    with pytest.raises(AgentRefused, match="revoked"):
        await lab.admit(token_id, uid_of(1))
    assert not (await lab.knock(hash_of(other))).refusal
    assert await revoke(lab, 1) == []

    await decide(lab, 1, "approve")
    again = text_in((await lab.admit(token_id, uid_of(1))).connection_settings)
    assert again != text
    assert not (await lab.knock(hash_of(again))).refusal
    assert (await lab.knock(hash_of(text))).refusal == "This credential was revoked."
    whats = [what for what in await lab.events() if what != "online"]
    assert whats == ["enrolled", "enrolled", "revoked", "approved"]


async def test_revoking_one_credential_leaves_the_agent(lab: Lab) -> None:
    """It may enrol again, and is given another; connections opened by the revoked one are to be closed."""
    token_id, _ = await lab.token(issues="bearer")
    first = text_in((await lab.admit(token_id, uid_of(1))).connection_settings)
    (credential,) = await lab.credentials(uid_of(1))

    await revoke(lab, 1, credential.id)

    assert (await lab.knock(hash_of(first))).refusal == "This credential was revoked."
    second = text_in((await lab.admit(token_id, uid_of(1))).connection_settings)
    assert second != first
    (said,) = lab.bus.said
    assert (list(said.credential_ids), list(said.instance_uids), said.close) == ([credential.id], [], True)
    for number, wrong in ((1, "k404"), (2, credential.id)):
        with pytest.raises((CredentialNotFound, AgentNotFound)):
            await revoke(lab, number, wrong)


async def test_a_new_credential_takes_over_when_it_is_used(lab: Lab, apply: Applier) -> None:
    """Both let in until the agent connected by the new one; then gateways are told to forget the old one."""
    token_id, _ = await lab.token(issues="bearer")
    old = text_in((await lab.admit(token_id, uid_of(1))).connection_settings)
    (first,) = await lab.credentials(uid_of(1))
    await apply(batch(came(uid_of(1), 5, first.id)))
    rotate = api.RotateAgentCredentialRequest(tenant_id=TENANT, instance_uid=uid_of(1), author="ann")

    with capture_logs() as logged:
        made = (await lab.routes.rotate_agent_credential(rotate)).credential

    assert [(one["credential_id"], one["author"]) for one in logged if one["event"] == "credential_rotated"] == [
        (made.id, "ann")
    ]
    assert (made.kind, made.state) == ("bearer", "candidate")
    part = await _offered(lab, uid_of(1))
    assert part != old
    for text in (old, part):
        assert not (await lab.knock(hash_of(text))).refusal

    await apply(batch(came(uid_of(1), 6, made.id)))

    assert [(one.id, one.state) for one in await lab.credentials(uid_of(1))] == [
        (made.id, "current"),
        (first.id, "superseded"),
    ]
    assert apply.withdrawn == [(TENANT, first.id)]
    assert (await lab.knock(hash_of(old))).refusal == "This credential was replaced by a newer one."
    await apply(batch(came(uid_of(1), 6, made.id)), batch(came(uid_of(1), 5, first.id)))
    assert [one.state for one in await lab.credentials(uid_of(1))] == ["current", "superseded"]


async def test_another_agents_facts_do_not_use_a_credential(lab: Lab, apply: Applier) -> None:
    """Only its own agent's connection makes a candidate current."""
    token_id, _ = await lab.token(issues="bearer")
    await lab.admit(token_id, uid_of(1))
    (first,) = await lab.credentials(uid_of(1))

    await apply(batch(came(uid_of(2), 5, first.id)))

    assert [one.state for one in await lab.credentials(uid_of(1))] == ["candidate"]


async def test_only_who_has_something_can_be_given_another(lab: Lab, apply: Applier) -> None:
    """An agent on a shared token has nothing to rotate; nobody has heard of the third."""
    plain_id, _ = await lab.token()
    await apply(batch(came(uid_of(1), 5, plain_id)))

    with pytest.raises(NothingToRotate):
        await lab.routes.rotate_agent_credential(
            api.RotateAgentCredentialRequest(tenant_id=TENANT, instance_uid=uid_of(1))
        )
    with pytest.raises(AgentNotFound):
        await lab.routes.rotate_agent_credential(
            api.RotateAgentCredentialRequest(tenant_id=TENANT, instance_uid=uid_of(3))
        )
    with pytest.raises(AgentNotFound):
        await lab.credentials(uid_of(3))


async def test_another_key_renews_credentials(lab: Lab, pool: asyncpg.Pool) -> None:
    """What was derived from the old key lets in still; what is offered is derived from the new one."""
    token_id, _ = await lab.token(issues="bearer")
    old = text_in((await lab.admit(token_id, uid_of(1))).connection_settings)
    other = Lab(pool, datetime.now(UTC), key="another key of thirty-two letters")

    new = text_in((await other.admit(token_id, uid_of(1))).connection_settings)

    assert new != old
    for text in (old, new):
        assert not (await other.knock(hash_of(text))).refusal
    assert [one.state for one in await other.credentials(uid_of(1))] == ["candidate", "candidate"]


async def _offered(lab: Lab, uid: bytes) -> str:
    """Read the text an agent would be offered now."""
    async with lab.pool.acquire() as connection, connection.transaction():
        part = await lab.registry.offers.opamp_part(connection, TENANT, uid)
    assert part is not None
    return part.headers.headers[0].value.removeprefix("Bearer ")


async def test_an_agent_is_decided_about_before_its_first_fact(lab: Lab) -> None:
    """It was let in, and nothing of it is written down yet: the decision stands."""
    token_id, _ = await lab.token(requires_approval=True)
    await lab.admit(token_id, uid_of(1))

    agent = await decide(lab, 1, "approve")

    assert (agent.instance_uid, agent.approval, agent.name) == (uid_of(1), "approved", "")
    assert (await lab.admit(token_id, uid_of(1))).approval == "approved"
