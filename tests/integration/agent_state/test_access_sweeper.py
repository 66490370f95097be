"""What must not be connected is closed again and again; credentials are renewed, ephemeral agents forgotten."""

from __future__ import annotations

import asyncio
import functools
import operator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent_state.access_sweeper import AccessSweeper
from agent_state.agent_store import AgentStore
from agent_state.deletion import Deletion
from fleet.api.v1 import agent_state_pb2 as tokens
from fleet.api.v1 import identity_pb2 as api
from servicekit.clock import FakeClock
from world.eventually import wait_until
from world.facts import batch, disconnected, uid_of

from .identities import TENANT, Lab, came, hash_of, text_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from agent_state.offers import Target

    from .conftest import Applier


class NotingOffers:
    """Notes which connections gateways are asked to end."""

    def __init__(self) -> None:
        self.closed: list[tuple[bytes, int, str]] = []

    async def close(self, targets: Iterable[Target], reason: str) -> None:
        """Note them."""
        self.closed += [(target.uid, target.epoch, reason) for target in targets]

    def taken(self) -> list[tuple[bytes, int, str]]:
        """Return what was noted, and forget it."""
        taken, self.closed = sorted(self.closed), []
        return taken


@pytest.fixture
def lab(pool: asyncpg.Pool) -> Lab:
    """Give everything that decides who agents are."""
    return Lab(pool, datetime.now(UTC))


@pytest.fixture
def offers() -> NotingOffers:
    """Give offers that only note."""
    return NotingOffers()


@pytest.fixture
def sweeper(pool: asyncpg.Pool, lab: Lab, offers: NotingOffers) -> AccessSweeper:
    """Give a sweeper that does nothing by itself."""
    return AccessSweeper(
        pool,
        identities=lab.registry.identities,
        access=lab.parts.access,
        deletion=Deletion(pool, AgentStore(), offers),  # type: ignore[arg-type] # a noting stand-in
        offers=offers,  # type: ignore[arg-type] # a noting stand-in
        clock=FakeClock(),
        sweep_seconds=5,
        upkeep_seconds=60,
    )


async def revoke(lab: Lab, uid: bytes, credential_id: str = "") -> None:
    """Revoke a credential, or the agent."""
    await lab.routes.revoke_agent_access(
        api.RevokeAgentAccessRequest(tenant_id=TENANT, instance_uid=uid, credential_id=credential_id)
    )


async def test_a_revoked_agent_is_closed_until_it_is_gone(
    lab: Lab, apply: Applier, sweeper: AccessSweeper, offers: NotingOffers
) -> None:
    """Nobody needs to have heard the announcement; whoever begins to lead next does the same."""
    token_id, _ = await lab.token()
    await apply(batch(came(uid_of(1), 5, token_id), came(uid_of(2), 6, token_id)))
    assert await sweeper.close_unwelcome(None) == 0

    await revoke(lab, uid_of(1))

    for _ in range(2):
        assert await sweeper.close_unwelcome(3600) == 1
        assert offers.taken() == [(uid_of(1), 5, "unauthorised")]
    await apply(batch(disconnected(uid_of(1), 5, 2)))
    assert await sweeper.close_unwelcome(3600) == 0


async def test_connections_of_revoked_credentials_are_closed(
    lab: Lab, apply: Applier, sweeper: AccessSweeper, offers: NotingOffers
) -> None:
    """Only those it opened: the agent that came again by another is left alone."""
    token_id, _ = await lab.token(issues="bearer")
    await lab.admit(token_id, uid_of(1))
    (credential,) = await lab.credentials(uid_of(1))
    await apply(batch(came(uid_of(1), 5, credential.id)))
    await revoke(lab, uid_of(1), credential.id)

    await sweeper.close_unwelcome(3600)

    assert offers.taken() == [(uid_of(1), 5, "unauthorised")]
    await apply(batch(came(uid_of(1), 6, token_id)))
    assert await sweeper.close_unwelcome(3600) == 0


async def test_connections_of_revoked_tokens_are_closed(
    lab: Lab, apply: Applier, sweeper: AccessSweeper, offers: NotingOffers, pool: asyncpg.Pool
) -> None:
    """Revoked long ago, only by who begins to lead."""
    token_id, _ = await lab.token()
    other_id, _ = await lab.token()
    await apply(batch(came(uid_of(1), 5, token_id), came(uid_of(2), 6, other_id)))
    await lab.tokens.revoke_enrolment_token(tokens.RevokeEnrolmentTokenRequest(tenant_id=TENANT, id=token_id))

    assert await sweeper.close_unwelcome(3600) == 1
    assert offers.taken() == [(uid_of(1), 5, "unauthorised")]

    await pool.execute("UPDATE enrolment_token SET revoked_at = now() - interval '1 day' WHERE id = $1", token_id)
    assert await sweeper.close_unwelcome(3600) == 0
    assert await sweeper.close_unwelcome(None) == 1


async def test_an_approved_agent_that_is_still_withheld_comes_again(
    lab: Lab, apply: Applier, sweeper: AccessSweeper, offers: NotingOffers
) -> None:
    """Else one that missed its approval would stay without anything for as long as it is connected."""
    token_id, _ = await lab.token(requires_approval=True)
    await lab.admit(token_id, uid_of(1))
    await apply(batch(came(uid_of(1), 5, token_id, withheld=True)))
    assert await sweeper.close_unwelcome(3600) == 0

    await lab.routes.decide_agent(api.DecideAgentRequest(tenant_id=TENANT, instance_uid=uid_of(1), decision="approve"))

    assert await sweeper.close_unwelcome(3600) == 1
    assert offers.taken() == [(uid_of(1), 5, "approved")]
    await apply(batch(came(uid_of(1), 6, token_id)))
    assert await sweeper.close_unwelcome(3600) == 0


async def test_credentials_are_renewed_at_two_thirds(lab: Lab, sweeper: AccessSweeper, pool: asyncpg.Pool) -> None:
    """Once; the agent's settings are due for another look; a barred agent gets nothing."""
    token_id, _ = await lab.token(issues="jwt", credential_lifetime_seconds=7200)
    for number in (1, 2):
        await lab.admit(token_id, uid_of(number))
    assert await sweeper.renew() == 0
    await pool.execute(
        "UPDATE agent_credential SET renew_at = now(), created_at = created_at - interval '81 minutes', "
        "expires_at = expires_at - interval '81 minutes'"
    )
    await pool.execute("UPDATE agent_connection_settings SET due_at = NULL")
    await pool.execute("UPDATE agent_identity SET approval = 'rejected' WHERE agent_uid = $1", uid_of(2))

    await sweeper.keep_up()
    await sweeper.keep_up()

    assert [(one.kind, one.state) for one in await lab.credentials(uid_of(1))] == [("jwt", "candidate")] * 2
    assert len(await lab.credentials(uid_of(2))) == 1
    assert await pool.fetchval("SELECT count(*) FROM agent_connection_settings WHERE due_at IS NOT NULL") == 1


async def test_ephemeral_agents_are_forgotten(
    lab: Lab, apply: Applier, sweeper: AccessSweeper, pool: asyncpg.Pool
) -> None:
    """Offline for their time, with all they had and the normal event; others stay, and so do barred ones."""
    token_id, _ = await lab.token(issues="bearer", ephemeral_seconds=3600)
    lasting_id, _ = await lab.token(max_uses=9)
    texts = {
        number: text_in((await lab.admit(token_id, uid_of(number))).connection_settings) for number in (1, 2, 3, 4)
    }
    await lab.admit(lasting_id, uid_of(5))
    await apply(
        batch(
            came(uid_of(1), 5, token_id),
            came(uid_of(2), 6, token_id),
            came(uid_of(3), 7, token_id),
            came(uid_of(5), 8, lasting_id),
            *(disconnected(uid_of(number), epoch, 2) for number, epoch in ((1, 5), (3, 7), (5, 8))),
        )
    )
    await revoke(lab, uid_of(3))
    assert await sweeper.forget_ephemeral() == 0
    await pool.execute("UPDATE agent_identity SET admitted_at = now() - interval '2 hours'")

    await sweeper.keep_up()

    rows = await pool.fetch("SELECT agent_uid FROM agent ORDER BY agent_uid")
    assert [row["agent_uid"] for row in rows] == [uid_of(2), uid_of(3), uid_of(5)]
    assert (await lab.events()).count("deleted") == 1
    left = await pool.fetch("SELECT agent_uid FROM agent_identity ORDER BY agent_uid")
    assert [row["agent_uid"] for row in left] == [uid_of(2), uid_of(3), uid_of(5)]
    assert (await lab.knock(hash_of(texts[1]))).refusal == "This token lets nobody in."
    assert not (await lab.knock(hash_of(texts[2]))).refusal
    assert await pool.fetchval("SELECT count(*) FROM enrolment WHERE agent_uid = $1", uid_of(1)) == 0
    await lab.admit(token_id, uid_of(1))


async def test_an_ephemeral_agent_let_in_a_moment_ago_is_kept(
    lab: Lab, apply: Applier, sweeper: AccessSweeper, pool: asyncpg.Pool
) -> None:
    """Its first fact may still be under way."""
    token_id, _ = await lab.token(ephemeral_seconds=60)
    await lab.admit(token_id, uid_of(1))
    await apply(batch(came(uid_of(1), 5, token_id), disconnected(uid_of(1), 5, 2)))
    await pool.execute("UPDATE agent_identity SET admitted_at = now() - interval '2 hours'")
    await lab.admit(token_id, uid_of(1))

    assert await sweeper.forget_ephemeral() == 0


async def test_what_ended_long_ago_is_removed(lab: Lab, sweeper: AccessSweeper, pool: asyncpg.Pool) -> None:
    """After three months nobody asks for it any more; who was barred stays so."""
    token_id, _ = await lab.token(issues="bearer")
    await lab.admit(token_id, uid_of(1))
    await revoke(lab, uid_of(1))
    await sweeper.keep_up()
    assert len(await lab.credentials(uid_of(1))) == 1

    await pool.execute("UPDATE agent_credential SET ended_at = now() - interval '91 days'")
    await pool.execute(
        """INSERT INTO agent_identity (tenant_id, agent_uid, approval, admitted_at)
        SELECT 'default', $1, 'approved', now() - interval '91 days'""",
        uid_of(2),
    )
    await pool.execute("UPDATE agent_identity SET admitted_at = now() - interval '91 days'")
    sweeper._next_prune = 0.0  # another hour has begun
    await sweeper.keep_up()

    assert await lab.credentials(uid_of(1)) == []
    assert [tuple(row) for row in await pool.fetch("SELECT agent_uid, approval FROM agent_identity")] == [
        (uid_of(1), "revoked")
    ]


ADD_CERTIFICATE = """
INSERT INTO agent_credential (tenant_id, id, agent_uid, kind, state, proof_hash, version, created_at, expires_at)
VALUES ('default', 'kcert', $1, 'certificate', 'candidate', sha256('kcert'), 9, now() - interval '20 days',
  now() + $2::interval)
"""


@pytest.mark.parametrize("left", [timedelta(days=-6), timedelta(days=6)])
async def test_a_certificate_nobody_used_does_not_stop_renewal(
    lab: Lab, sweeper: AccessSweeper, pool: asyncpg.Pool, left: timedelta
) -> None:
    """Run out or not: the bearer is what the agent lives on, and is renewed once."""
    token_id, _ = await lab.token(issues="bearer", credential_lifetime_seconds=7200)
    await lab.admit(token_id, uid_of(1))
    await pool.execute(
        "UPDATE agent_credential SET renew_at = now(), created_at = created_at - interval '81 minutes', "
        "expires_at = expires_at - interval '81 minutes'"
    )
    await pool.execute(ADD_CERTIFICATE, uid_of(1), left)

    await sweeper.keep_up()
    await sweeper.keep_up()

    kinds = [one.kind for one in await lab.credentials(uid_of(1))]
    assert sorted(kinds) == ["bearer", "bearer", "certificate"]


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE agent_credential SET state = 'superseded', ended_at = now() - $1::interval",
        "UPDATE agent_credential SET expires_at = now() - $1::interval",
    ],
)
async def test_connections_that_outlive_their_credential_are_closed(
    lab: Lab, apply: Applier, sweeper: AccessSweeper, offers: NotingOffers, end: str
) -> None:
    """After a moment of grace; what ended long ago is looked for by who begins to lead."""
    token_id, _ = await lab.token(issues="bearer")
    await lab.admit(token_id, uid_of(1))
    (credential,) = await lab.credentials(uid_of(1))
    await apply(batch(came(uid_of(1), 5, credential.id), came(uid_of(2), 6, token_id)))

    await lab.pool.execute(end, timedelta(seconds=30))
    assert await sweeper.close_unwelcome(3600) == 0
    await lab.pool.execute(end, timedelta(minutes=5))
    assert await sweeper.close_unwelcome(3600) == 1
    assert offers.taken() == [(uid_of(1), 5, "unauthorised")]
    await lab.pool.execute(end, timedelta(days=1))
    assert await sweeper.close_unwelcome(3600) == 0
    assert await sweeper.close_unwelcome(None) == 1


async def test_who_was_forgotten_enrols_like_new(lab: Lab, sweeper: AccessSweeper, pool: asyncpg.Pool) -> None:
    """Nothing of a pruned agent is left that would keep its token from stamping it again."""
    token_id, _ = await lab.token(ephemeral_seconds=0, cidrs=["10.0.0.0/8"], labels={"site": "lab"})
    await lab.admit(token_id, uid_of(1))
    await pool.execute("UPDATE agent_identity SET admitted_at = now() - interval '91 days'")
    await pool.execute("UPDATE enrolment SET enrolled_at = now() - interval '91 days'")

    await sweeper.keep_up()

    assert await pool.fetchval("SELECT count(*) FROM agent_identity") == 0
    assert await pool.fetchval("SELECT count(*) FROM enrolment") == 0
    assert dict((await lab.admit(token_id, uid_of(1))).labels) == {"site": "lab"}
    assert await pool.fetchval("SELECT count(*) FROM agent_identity WHERE enrolment_token_id = $1", token_id) == 1


async def test_each_kind_of_looking_has_its_own_rhythm(
    pool: asyncpg.Pool, lab: Lab, offers: NotingOffers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that are looked for seldom do not hold up credentials that are looked at often."""
    clock = FakeClock()
    sweeper = AccessSweeper(
        pool,
        identities=lab.registry.identities,
        access=lab.parts.access,
        deletion=Deletion(pool, AgentStore(), offers),  # type: ignore[arg-type] # a noting stand-in
        offers=offers,  # type: ignore[arg-type] # a noting stand-in
        clock=clock,
        sweep_seconds=10,
        upkeep_seconds=4,
    )
    looked: list[str] = []

    async def note_connections(_: float | None) -> int:
        looked.append("connections")
        return 0

    async def note_upkeep() -> None:
        looked.append("upkeep")

    monkeypatch.setattr(sweeper, "close_unwelcome", note_connections)
    monkeypatch.setattr(sweeper, "keep_up", note_upkeep)
    running = asyncio.ensure_future(sweeper.run())
    await wait_until(lambda: looked == ["connections", "upkeep"])
    for seconds, expected in ((4, "upkeep"), (4, "upkeep"), (2, "connections"), (2, "upkeep")):
        looked.clear()
        await clock.advance(seconds)
        await wait_until(functools.partial(operator.eq, looked, [expected]))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
