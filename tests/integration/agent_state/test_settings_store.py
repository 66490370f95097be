from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_state.settings_composer import TAKES_SETTINGS
from agent_state.settings_reconcile import Reported, Standing, State
from agent_state.settings_store import SettingsStore
from fleet.events.v1 import facts_pb2 as facts
from opamp.v1 import opamp_pb2 as opamp
from world.facts import batch, connected, described, disconnected, fact, uid_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from agent_state.settings_store import Seen

    from .conftest import Applier

UID, OTHER = uid_of(1), uid_of(2)
STORE = SettingsStore()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def arrives(uid: bytes, epoch: int = 5, sequence: int = 1, capabilities: int = TAKES_SETTINGS) -> facts.Fact:
    """An agent comes that takes settings."""
    said = connected(uid, epoch, sequence)
    said.connected.capabilities = capabilities
    return said


def delivered(uid: bytes, epoch: int, sequence: int, settings_hash: bytes) -> facts.Fact:
    """A gateway delivered settings."""
    told = facts.OfferDelivered(kind=facts.OFFER_KIND_CONNECTION_SETTINGS, content_hash=settings_hash)
    return fact(uid, epoch, sequence, offer_delivered=told)


async def save(
    pool: asyncpg.Pool, standing: Standing, seen: Seen | None = None, generation: int | None = 1
) -> Standing | None:
    """Write where an agent stands, and read it."""
    async with pool.acquire() as connection, connection.transaction():
        await STORE.lock(connection, standing.tenant_id, [standing.uid])
        await STORE.save(connection, generation, [(standing, seen)])
        return await STORE.load(connection, standing.tenant_id, standing.uid)


async def stale(pool: asyncpg.Pool, generation: int = 1, *, has_policies: bool = True) -> Sequence[bytes]:
    """Tell whose decision is old."""
    return await STORE.stale(pool, "default", b"", generation, 10, has_policies=has_policies)


async def test_every_field_comes_back(pool: asyncpg.Pool) -> None:
    """What is written is what is read."""
    standing = Standing(
        "default",
        UID,
        desired_hash=b"d",
        policies=("a", 'quoted "b"'),
        fault="no",
        retries=2,
        offered_hash=b"o",
        offered_at=NOW,
        offer_count=3,
        delivered_hash=b"e",
        delivered_at=NOW,
        delivered_epoch=4,
        silences=1,
        reported_hash=b"r",
        reported_error="bad",
        state=State.FAILED,
        seen_epoch=5,
        due_at=NOW,
    )

    assert await save(pool, standing) == standing
    assert await STORE.count(pool) == {"failed": 1}


async def test_agent_is_seen_with_all_that_decides(pool: asyncpg.Pool, apply: Applier) -> None:
    """Connection, capabilities, labels with stamps, and its own word on its settings."""
    came = arrives(UID)
    came.connected.labels["env"] = "prod"
    came.connected.credential_id = "token"
    came.connected.withheld = True
    status = opamp.ConnectionSettingsStatus(
        last_connection_settings_hash=b"h", status=opamp.ConnectionSettingsStatuses_FAILED, error_message="no\x00"
    )
    reported = facts.ConnectionSettingsStatusReported(status=status)
    await apply(
        batch(
            came,
            described(UID, 5, 2, other={"env": "dev", "zone": "a"}),
            fact(UID, 5, 3, connection_settings_status_reported=reported),
        )
    )

    (seen,) = await STORE.agents(pool, "default", [UID, OTHER])

    situation = seen.situation
    assert (situation.epoch, situation.connected, situation.withheld) == (5, True, True)
    assert (situation.reported, situation.reported_hash, situation.reported_error) == (Reported.FAILED, b"h", "no")
    assert (seen.taker.labels["env"], seen.taker.labels["zone"]) == ("prod", "a")
    assert (seen.taker.credential_id, seen.taker.transport) == ("token", facts.TRANSPORT_WEBSOCKET)
    assert (seen.gateway_id, seen.has_credential) == ("gw-1", False)


async def test_what_the_decision_was_based_on_makes_it_old(pool: asyncpg.Pool, apply: Applier) -> None:
    """New connection, description, status or policies; nothing else, and nobody who is away."""
    await apply(batch(arrives(UID)))
    assert await stale(pool) == [UID]
    assert await stale(pool, has_policies=False) == []

    async def decide() -> None:
        (seen,) = await STORE.agents(pool, "default", [UID])
        await save(pool, Standing("default", UID, seen_epoch=seen.situation.epoch), seen)
        assert await stale(pool) == []

    await decide()
    assert await stale(pool, 2) == [UID]
    reported = facts.ConnectionSettingsStatusReported()
    for changed in (
        described(UID, 5, 2),
        fact(UID, 5, 3, connection_settings_status_reported=reported),
        arrives(UID, 6),
        fact(UID, 6, 2, described=facts.Described(capabilities=TAKES_SETTINGS | 1)),
    ):
        await apply(batch(changed))
        assert await stale(pool) == [UID], changed
        await decide()

    await apply(batch(disconnected(UID, 6, 9)))
    assert await stale(pool, 2) == []


async def test_agents_that_take_nothing_are_not_looked_at(pool: asyncpg.Pool, apply: Applier) -> None:
    """Unless something was meant for them once."""
    await apply(batch(arrives(UID, capabilities=1)))
    assert await stale(pool) == []

    await save(pool, Standing("default", UID))
    assert await stale(pool, has_policies=False) == [UID]


async def test_credential_change_makes_due(pool: asyncpg.Pool, apply: Applier) -> None:
    """Also for an agent nothing was meant for so far."""
    await apply(batch(arrives(UID)))
    for _ in range(2):
        async with pool.acquire() as connection:
            await STORE.mark_due(connection, "default", [UID])

    assert await STORE.due(pool, 10) == {"default": [UID]}
    assert await STORE.known(pool, "default", [UID, OTHER]) == [UID]
    assert await STORE.tenants(pool) == {"default"}


async def test_delivery_is_noted_once_and_in_order(pool: asyncpg.Pool, apply: Applier) -> None:
    """A late word about an older connection changes nothing; of one batch the last counts."""
    await apply(batch(arrives(UID, 6)))
    await save(pool, Standing("default", UID, desired_hash=b"b"))
    await apply(batch(delivered(UID, 6, 3, b"b"), delivered(UID, 6, 2, b"a"), delivered(OTHER, 6, 2, b"x")))
    await apply(batch(delivered(UID, 5, 9, b"old")))

    async with pool.acquire() as connection:
        standing = await STORE.load(connection, "default", UID)
        assert await STORE.load(connection, "default", OTHER) is None
    assert standing is not None
    assert (standing.delivered_hash, standing.delivered_epoch) == (b"b", 6)
    assert standing.delivered_at is not None


async def test_what_nobody_heard_is_due_after_an_outage(pool: asyncpg.Pool) -> None:
    """What was delivered, applied or not even offered is left alone."""
    offered = Standing("default", UID, desired_hash=b"d", offer_count=4, state=State.OFFERED, seen_epoch=5)
    told = replace(offered, uid=OTHER, delivered_hash=b"d", delivered_epoch=5)
    applied = replace(offered, uid=uid_of(3), state=State.APPLIED)
    for standing in (offered, told, applied):
        await save(pool, standing)

    await STORE.mark_unheard(pool)

    assert await STORE.due(pool, 10) == {"default": [UID]}


async def test_deleted_agent_leaves_nothing(pool: asyncpg.Pool, apply: Applier) -> None:
    """Where it stood is forgotten with it."""
    await apply(batch(arrives(UID)))
    await save(pool, Standing("default", UID, desired_hash=b"d"))
    async with pool.acquire() as connection, connection.transaction():
        await apply.consumer._agents.delete(connection, "default", UID)

    assert await STORE.tenants(pool) == set()
