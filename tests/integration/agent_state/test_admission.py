"""Who comes in: verdicts at the door, enrolment with the first message, and races for the last use of a token."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent_state.errors import AgentRefused
from fleet.api.v1 import agent_state_pb2 as tokens
from fleet.api.v1 import identity_pb2 as api
from world.facts import batch, connected, disconnected, uid_of

from .identities import TENANT, Lab, came, hash_of, text_in

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier


@pytest.fixture
def lab(pool: asyncpg.Pool) -> Lab:
    """Give everything that decides who agents are."""
    return Lab(pool, datetime.now(UTC))


async def test_a_plain_token_lets_in_without_more_ado(lab: Lab) -> None:
    """The storm of reconnects costs one verdict that may be remembered, and no admission."""
    token_id, shown = await lab.token()

    verdict = await lab.knock(shown)

    assert (verdict.refusal, verdict.tenant_id, verdict.credential_id) == ("", TENANT, token_id)
    assert (verdict.needs_admission, verdict.cache_seconds, verdict.approval) == (False, 30, "approved")
    assert not verdict.bound_uid
    assert not verdict.HasField("expires_at")


async def test_many_proofs_are_one_query(lab: Lab, pool: asyncpg.Pool) -> None:
    """A full batch of 256 proofs is one statement, its answers in order."""
    _, shown = await lab.token()
    asked = []

    class Counting:
        async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
            asked.append(query)
            rows: list[asyncpg.Record] = await pool.fetch(query, *arguments)
            return rows

    lab.parts.admission._pool = Counting()  # type: ignore[assignment] # what is asked is the point
    proofs = [
        api.Proof(token_hash=shown if number % 2 else bytes([number]) * 32, instance_uid=uid_of(number))
        for number in range(256)
    ]

    reply = await lab.routes.authenticate_agents(api.AuthenticateAgentsRequest(proofs=proofs))

    assert len(asked) == 1
    assert [bool(verdict.refusal) for verdict in reply.verdicts] == [number % 2 == 0 for number in range(256)]


async def test_of_fifty_one_gets_the_last_use(lab: Lab) -> None:
    """Fifty agents at once on a token for one: one comes in, the others are told why not."""
    token_id, _ = await lab.token(max_uses=1)

    results = await asyncio.gather(
        *(lab.admit(token_id, uid_of(number)) for number in range(1, 51)), return_exceptions=True
    )

    refused = [result for result in results if isinstance(result, AgentRefused)]
    assert len(refused) == 49
    assert {error.public for error in refused} == {
        "This enrolment token is used up: it has enrolled as many agents as it may."
    }
    assert sum(isinstance(result, api.AdmitAgentReply) for result in results) == 1
    assert await lab.events() == ["enrolled"]


async def test_coming_again_does_not_burn_a_use(lab: Lab, pool: asyncpg.Pool) -> None:
    """The same agent many times at once is one enrolment; the second use is still there for another."""
    token_id, shown = await lab.token(max_uses=2)

    await asyncio.gather(*(lab.admit(token_id, uid_of(1)) for _ in range(20)))

    assert await pool.fetchval("SELECT uses FROM enrolment_token") == 1
    await lab.admit(token_id, uid_of(2))
    with pytest.raises(AgentRefused, match="used up"):
        await lab.admit(token_id, uid_of(3))
    assert (await lab.knock(shown, uid_of(3))).refusal.startswith("This enrolment token is used up")
    again = await lab.knock(shown, uid_of(1))
    assert (again.refusal, again.needs_admission, again.cache_seconds) == ("", True, 30)
    await lab.admit(token_id, uid_of(1))
    assert await lab.events() == ["enrolled", "enrolled"]


async def test_an_agent_without_a_name_may_be_one_that_is_away(lab: Lab, apply: Applier) -> None:
    """A used-up token lets a nameless upgrade in only while an agent it enrolled is not connected."""
    token_id, shown = await lab.token(max_uses=1)
    await lab.admit(token_id, uid_of(1))
    await apply(batch(connected(uid_of(1), 5)))

    assert (await lab.knock(shown)).refusal.startswith("This enrolment token is used up")

    await apply(batch(disconnected(uid_of(1), 5, 2)))
    verdict = await lab.knock(shown)
    assert (verdict.refusal, verdict.needs_admission) == ("", True)
    with pytest.raises(AgentRefused, match="used up"):
        await lab.admit(token_id, uid_of(2))


async def test_an_expired_token_still_knows_its_agents(lab: Lab, pool: asyncpg.Pool) -> None:
    """Whom it enrolled comes back by it; nobody new does."""
    token_id, shown = await lab.token(max_uses=5, lifetime_seconds=3600)
    await lab.admit(token_id, uid_of(1))
    await pool.execute("UPDATE enrolment_token SET expires_at = now()")

    assert (await lab.knock(shown, uid_of(2))).refusal == "This enrolment token has expired."
    with pytest.raises(AgentRefused, match="expired"):
        await lab.admit(token_id, uid_of(2))
    assert not (await lab.knock(shown, uid_of(1))).refusal
    await lab.admit(token_id, uid_of(1))


async def test_a_revoked_token_lets_nobody_in(lab: Lab, pool: asyncpg.Pool) -> None:
    """Not even whom it enrolled; gateways are told to end what it opened."""
    token_id, shown = await lab.token(max_uses=5)
    await lab.admit(token_id, uid_of(1))

    await lab.tokens.revoke_enrolment_token(tokens.RevokeEnrolmentTokenRequest(tenant_id=TENANT, id=token_id))

    assert (await lab.knock(shown, uid_of(1))).refusal == "This enrolment token was revoked."
    for number in (1, 2):
        with pytest.raises(AgentRefused, match="revoked"):
            await lab.admit(token_id, uid_of(number))
    assert [(list(said.credential_ids), said.close) for said in lab.bus.said] == [([token_id], True)]
    assert await pool.fetchval("SELECT uses FROM enrolment_token") == 1


async def test_a_token_counts_for_its_tenant_only(lab: Lab) -> None:
    """Another tenant's id for it names nothing."""
    token_id, shown = await lab.token(tenant="acme", max_uses=1)

    assert (await lab.knock(shown)).tenant_id == "acme"
    with pytest.raises(AgentRefused):
        await lab.admit(token_id, uid_of(1), tenant=TENANT)
    await lab.admit(token_id, uid_of(1), tenant="acme")


async def test_addresses_outside_the_networks_are_refused(lab: Lab) -> None:
    """At the door and at admission alike."""
    token_id, shown = await lab.token(cidrs=["10.0.0.0/8", "fd00::/8"])

    assert not (await lab.knock(shown, ip="10.9.9.9")).refusal
    refused = await lab.knock(shown, ip="192.168.0.1")
    assert refused.refusal == "This enrolment token is not allowed from this address."
    with pytest.raises(AgentRefused, match="not allowed from this address"):
        await lab.admit(token_id, uid_of(1), remote_ip="192.168.0.1")
    await lab.admit(token_id, uid_of(1), remote_ip="::ffff:10.0.0.1")


async def test_a_token_of_nobody_is_refused(lab: Lab) -> None:
    """So is nothing at all."""
    assert (await lab.knock(b"x" * 32)).refusal == "This token lets nobody in."
    assert (await lab.knock(b"")).refusal == "Neither a token nor a certificate was shown."


async def test_registration_on_first_use_gives_a_credential(lab: Lab) -> None:
    """The first answer carries the agent's own credential; it authenticates, bound to the agent."""
    token_id, _ = await lab.token(issues="bearer", labels={"site": "lab"}, group="edge")

    admitted = await lab.admit(token_id, uid_of(1))

    text = text_in(admitted.connection_settings)
    assert dict(admitted.labels) == {"site": "lab", "group": "edge"}
    verdict = await lab.knock(hash_of(text))
    assert (verdict.refusal, verdict.bound_uid, verdict.needs_admission) == ("", uid_of(1), False)
    assert dict(verdict.labels) == {"site": "lab", "group": "edge"}
    (credential,) = await lab.credentials(uid_of(1))
    assert (credential.kind, credential.state, credential.enrolment_token_id) == ("bearer", "candidate", token_id)


async def test_a_supervisor_that_restarts_is_given_the_same(lab: Lab, pool: asyncpg.Pool) -> None:
    """It shows the token of its file again; what it has already is not offered to it once more."""
    token_id, _ = await lab.token(issues="jwt", max_uses=1)
    first = await lab.admit(token_id, uid_of(1))
    await pool.execute("UPDATE agent_connection_settings SET delivered_at = now() - interval '1 hour'")

    again = await lab.admit(token_id, uid_of(1))
    knowing = await lab.admit(token_id, uid_of(1), last_connection_settings_hash=first.connection_settings_hash)

    assert again.connection_settings == first.connection_settings
    assert not knowing.connection_settings
    assert len(await lab.credentials(uid_of(1))) == 1


RULES: list[dict[str, Any]] = [
    {},
    {"labels": {"zone": "lab"}},
    {"requires_approval": True, "ephemeral_seconds": 3600},
    {"issues": "bearer", "group": "lab"},
]


@pytest.mark.parametrize("rules", RULES)
async def test_no_other_token_takes_an_agent_over(lab: Lab, rules: dict[str, Any]) -> None:
    """Whoever knows an id and has some token is told neither its credential, nor changes what was decided."""
    token_id, shown = await lab.token(issues="bearer", max_uses=1, labels={"zone": "prod"})
    text = text_in((await lab.admit(token_id, uid_of(1))).connection_settings)
    other_id, other = await lab.token(**rules)

    for uid in (b"", uid_of(1)):
        assert (await lab.knock(other, uid)).needs_admission
    with pytest.raises(AgentRefused, match=r"another enrolment token or credential\. .* delete the agent"):
        await lab.admit(other_id, uid_of(1))

    verdict = await lab.knock(hash_of(text))
    assert (verdict.refusal, dict(verdict.labels), verdict.approval) == ("", {"zone": "prod"}, "approved")
    assert not (await lab.knock(shown, uid_of(1))).refusal
    assert len(await lab.credentials(uid_of(1))) == 1
    await lab.admit(token_id, uid_of(1))
    await lab.admit(other_id, uid_of(2))


async def test_a_plain_agent_is_not_put_on_hold_by_another_token(lab: Lab, apply: Applier) -> None:
    """It came by a token that keeps no list; tokens that do take new agents only. Plain ones stand for each other."""
    plain_id, plain = await lab.token()
    next_id, _ = await lab.token(labels={"site": "lab"})
    waiting_id, _ = await lab.token(requires_approval=True, ephemeral_seconds=3600)
    await apply(batch(came(uid_of(1), 5, plain_id), disconnected(uid_of(1), 5, 2)))

    with pytest.raises(AgentRefused, match="another enrolment token"):
        await lab.admit(waiting_id, uid_of(1))

    assert (await lab.knock(plain, uid_of(1))).approval == "approved"
    assert not (await lab.knock(plain)).needs_admission
    assert dict((await lab.admit(next_id, uid_of(1))).labels) == {"site": "lab"}


async def release(lab: Lab, uid: bytes, how: str) -> None:
    """Let go of an agent as a person does."""
    if how == "delete":
        await lab.delete(uid)
        return
    await lab.routes.revoke_agent_access(api.RevokeAgentAccessRequest(tenant_id=TENANT, instance_uid=uid))
    await lab.routes.decide_agent(api.DecideAgentRequest(tenant_id=TENANT, instance_uid=uid, decision="approve"))


@pytest.mark.parametrize("how", ["delete", "approve anew"])
async def test_an_agent_a_person_let_go_of_enrols_with_its_next_token(lab: Lab, apply: Applier, how: str) -> None:
    """What it had is over, and so is the old token's say; the new one's rules hold."""
    old_id, _ = await lab.token(issues="bearer", labels={"zone": "old"})
    new_id, new = await lab.token(issues="bearer", labels={"zone": "new"}, max_uses=1)
    text = text_in((await lab.admit(old_id, uid_of(1))).connection_settings)
    await apply(batch(came(uid_of(1), 5, old_id), disconnected(uid_of(1), 5, 2)))
    with pytest.raises(AgentRefused, match="another enrolment token"):
        await lab.admit(new_id, uid_of(1))

    await release(lab, uid_of(1), how)

    admitted = await lab.admit(new_id, uid_of(1))
    assert dict(admitted.labels) == {"zone": "new"}
    again = text_in(admitted.connection_settings)
    assert again != text
    assert (await lab.knock(hash_of(text))).refusal
    assert not (await lab.knock(hash_of(again))).refusal
    assert not (await lab.knock(new, uid_of(1))).refusal
    with pytest.raises(AgentRefused, match="another enrolment token"):
        await lab.admit(old_id, uid_of(1))


async def test_a_deleted_agent_waits_where_its_next_token_says_so(lab: Lab, apply: Applier) -> None:
    """Nobody approved it for that token."""
    old_id, _ = await lab.token(issues="bearer")
    new_id, _ = await lab.token(requires_approval=True)
    await lab.admit(old_id, uid_of(1))
    await apply(batch(came(uid_of(1), 5, old_id), disconnected(uid_of(1), 5, 2)))
    await lab.delete(uid_of(1))

    assert (await lab.admit(new_id, uid_of(1))).approval == "pending"


async def test_a_deleted_agent_that_comes_by_its_own_stays_its_own(lab: Lab, apply: Applier) -> None:
    """Deleting an agent that lives opens it to nobody else once it is back."""
    old_id, _ = await lab.token(issues="bearer")
    new_id, _ = await lab.token(issues="bearer")
    await lab.admit(old_id, uid_of(1))
    (credential,) = await lab.credentials(uid_of(1))
    await apply(batch(came(uid_of(1), 5, credential.id)))
    await lab.delete(uid_of(1))
    await apply(batch(came(uid_of(1), 6, credential.id)))

    with pytest.raises(AgentRefused, match="another enrolment token"):
        await lab.admit(new_id, uid_of(1))
