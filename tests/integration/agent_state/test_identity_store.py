from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_state.identity_store import _LOOK_UP, IdentityStore
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


async def test_agents_of_other_tokens_are_found_without_reading_all(pool: asyncpg.Pool) -> None:
    """A plain token whose own agents have certificates is guarded against nobody; the table is not read through."""
    lab = Lab(pool, datetime.now(UTC))
    token_id, shown = await lab.token()
    await pool.execute(
        """INSERT INTO agent_identity (tenant_id, agent_uid, enrolment_token_id)
        SELECT $1, decode(lpad(to_hex(n), 32, '0'), 'hex'), $2 FROM generate_series(1, 3000) n""",
        TENANT,
        token_id,
    )
    await pool.execute("ANALYZE agent_identity")

    async with pool.acquire() as connection:
        (found,), _ = await IdentityStore().look_up(connection, [Shown(shown)])
        plan = await connection.fetch("EXPLAIN " + _LOOK_UP, [shown] * 256, [b""] * 256, TENANT)
    other_id, _ = await lab.token(max_uses=1)
    await lab.admit(other_id, bytes(16))
    (guarded,), _ = await IdentityStore().look_up(pool, [Shown(shown)])

    assert not [row[0] for row in plan if "Seq Scan on agent_identity" in row[0]]
    assert (found.has_guarded, guarded.has_guarded) == (False, True)
