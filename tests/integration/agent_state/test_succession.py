"""Agents that were given another id: let in, counted, and revoked together."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent_state.errors import AgentRefused
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


async def enrolled(lab: Lab, **rules: Any) -> tuple[str, str]:
    """Enrol agent 1; return the ids of its token and of its credential."""
    token_id, _ = await lab.token(issues="bearer", **rules)
    await lab.admit(token_id, uid_of(1))
    (credential,) = await lab.credentials(uid_of(1))
    return token_id, credential.id


async def revoke(lab: Lab, number: int) -> list[bytes]:
    """Revoke an agent; return whose credentials ended."""
    asked = api.RevokeAgentAccessRequest(tenant_id=TENANT, instance_uid=uid_of(number), author="ann")
    return [one.instance_uid for one in (await lab.routes.revoke_agent_access(asked)).revoked]


async def test_one_use_does_not_make_many_agents(lab: Lab) -> None:
    """Asking for other ids over a single-use token's credential gives one agent that moved, however it is tried."""
    token_id, own = await enrolled(lab, max_uses=1)

    results = await asyncio.gather(*(lab.admit(own, uid_of(number)) for number in range(2, 8)), return_exceptions=True)

    heirs = [number for number, result in enumerate(results, 2) if isinstance(result, api.AdmitAgentReply)]
    refused = [result for result in results if isinstance(result, AgentRefused)]
    assert (len(heirs), len(refused)) == (1, 5)
    assert all("given another id before" in error.public for error in refused)
    (first,) = await lab.credentials(uid_of(heirs[0]))
    with pytest.raises(AgentRefused, match="given another id before"):
        await lab.admit(first.id, uid_of(20))
    await lab.admit(own, uid_of(heirs[0]))
    await lab.admit(token_id, uid_of(heirs[0]))


async def test_clones_are_paid_for_by_their_token(lab: Lab, pool: asyncpg.Pool) -> None:
    """One that counts is used up by them, one that does not takes any number; each clone comes back by it."""
    token_id, own = await enrolled(lab, max_uses=3)
    free_id, _ = await lab.token(issues="bearer")
    await lab.admit(free_id, uid_of(11))
    (free,) = await lab.credentials(uid_of(11))

    for number in (2, 3, 4):
        await lab.admit(own, uid_of(number) if number < 4 else uid_of(2))
    for number in range(12, 18):
        await lab.admit(free.id, uid_of(number))
        await lab.admit(free_id, uid_of(number))

    assert await pool.fetchval("SELECT uses FROM enrolment_token WHERE id = $1", token_id) == 3
    with pytest.raises(AgentRefused, match="given another id before"):
        await lab.admit(own, uid_of(4))
    await lab.admit(token_id, uid_of(3))


async def test_a_revoked_token_has_no_more_heirs(lab: Lab, pool: asyncpg.Pool) -> None:
    """Credentials it led to are good still, but make no more agents."""
    _, own = await enrolled(lab)
    await lab.admit(own, uid_of(2))
    await pool.execute("UPDATE enrolment_token SET revoked_at = now()")

    await lab.admit(own, uid_of(2))
    with pytest.raises(AgentRefused, match="token was revoked"):
        await lab.admit(own, uid_of(3))


async def test_revoking_an_agent_revokes_whom_it_was_cloned_into(lab: Lab) -> None:
    """Heirs of heirs, too, all told to gateways; whoever it was cloned from is not touched."""
    _, own = await enrolled(lab)
    texts = {2: text_in((await lab.admit(own, uid_of(2))).connection_settings)}
    (second,) = await lab.credentials(uid_of(2))
    texts[3] = text_in((await lab.admit(second.id, uid_of(3))).connection_settings)
    texts[4] = text_in((await lab.admit(own, uid_of(4))).connection_settings)

    assert await revoke(lab, 2) == [uid_of(2), uid_of(3)]

    assert {number for number, text in texts.items() if (await lab.knock(hash_of(text))).refusal} == {2, 3}
    assert {said.instance_uids[0] for said in lab.bus.said} == {uid_of(2), uid_of(3)}
    assert (await lab.events()).count("revoked") == 2
    assert await revoke(lab, 1) == [uid_of(1), uid_of(4)]
    with pytest.raises(AgentRefused, match="revoked"):
        await lab.admit(own, uid_of(4))


async def test_any_gateway_lets_in_who_was_renamed_by_another(lab: Lab, apply: Applier) -> None:
    """What the first admission wrote down holds for all of them; an id nobody gave is refused."""
    _, own = await enrolled(lab)
    with pytest.raises(AgentRefused, match="another agent"):
        await lab.admit(own, uid_of(2), renamed_elsewhere=True)

    await lab.admit(own, uid_of(2))
    await apply(batch(came(uid_of(2), 5, own)))

    assert (await lab.admit(own, uid_of(2), renamed_elsewhere=True)).approval == "approved"
    with pytest.raises(AgentRefused, match="another agent"):
        await lab.admit(own, uid_of(3), renamed_elsewhere=True)


async def test_an_id_is_taken_over_from_nobody(lab: Lab, apply: Applier) -> None:
    """Free ids go to the agent that was given them; those of agents somebody knows never."""
    token_id, own = await enrolled(lab)
    await lab.admit(token_id, uid_of(2))
    await apply(batch(came(uid_of(3), 5, token_id)))
    (other,) = await lab.credentials(uid_of(2))
    await lab.admit(own, uid_of(4))

    for credential_id, number in ((own, 2), (own, 3), (other.id, 4)):
        with pytest.raises(AgentRefused, match="another agent"):
            await lab.admit(credential_id, uid_of(number))
