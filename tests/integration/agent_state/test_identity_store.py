from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_state.identity_store import IdentityStore
from agent_state.verdicts import Shown
from world.facts import uid_of

from .identities import TENANT, Lab

if TYPE_CHECKING:
    import asyncpg

KEY = (TENANT, uid_of(1))


async def test_proofs_are_looked_up_together(pool: asyncpg.Pool) -> None:
    """Token, credential and agent of each, in order; the same proof twice is answered twice."""
    lab = Lab(pool, datetime.now(UTC))
    token_id, shown = await lab.token(issues="bearer", max_uses=5, labels={"site": "lab"})
    await lab.admit(token_id, uid_of(1))
    text_hash = await pool.fetchval("SELECT proof_hash FROM agent_credential")
    proofs = [
        Shown(shown, uid=uid_of(1)),
        Shown(text_hash),
        Shown(shown, uid=uid_of(2)),
        Shown(b"x" * 32),
        Shown(shown, uid=uid_of(1)),
    ]

    found, now = await IdentityStore().look_up(pool, proofs)

    assert [one.token is not None and one.token.enrolled for one in found] == [True, False, False, False, True]
    assert [one.credential is not None for one in found] == [False, True, False, False, False]
    assert [one.approval for one in found] == ["approved", "approved", "", "", "approved"]
    assert found[1].stamped_labels == {"site": "lab"}
    assert found[0].token is not None
    assert (found[0].token.uses, found[0].token.rules.max_uses) == (1, 5)
    assert now.tzinfo is not None


async def test_a_barred_agent_shows_in_its_tenant_only(pool: asyncpg.Pool) -> None:
    """Another tenant's storm is not slowed down by it."""
    lab = Lab(pool, datetime.now(UTC))
    _, ours = await lab.token()
    _, theirs = await lab.token(tenant="acme")
    await pool.execute("INSERT INTO agent_identity (tenant_id, agent_uid, approval) VALUES ($1, $2, 'rejected')", *KEY)

    found, _ = await IdentityStore().look_up(pool, [Shown(ours), Shown(theirs)])

    assert [one.has_guarded for one in found] == [True, False]


async def test_an_identity_is_founded_once(pool: asyncpg.Pool) -> None:
    """The second waits for the first and finds what it decided."""
    store = IdentityStore()

    async def found(approval: str) -> str:
        async with pool.acquire() as connection, connection.transaction():
            return (await store.found(connection, *KEY, approval)).approval

    approvals = await asyncio.gather(*(found(approval) for approval in ("pending", "approved", "pending")))

    assert len(set(approvals)) == 1
    async with pool.acquire() as connection, connection.transaction():
        assert await store.hold(connection, TENANT, uid_of(2)) is None
