from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from config_service import target_store
from config_service.attempt import AttemptStatus, Cause
from config_service.selector import Reason
from config_service.target import Attempt, Desired, Reported, Target, replace
from servicekit import bulk

if TYPE_CHECKING:
    import asyncpg

TENANT = "default"
H1, H2 = b"1" * 32, b"2" * 32


def agent(number: int, **fields: object) -> Target:
    """Make an agent that is connected and should run something."""
    made = Target(
        TENANT,
        number.to_bytes(16, "big"),
        epoch=3,
        gateway_id="gw",
        connected=True,
        capabilities=0x1002,
        labels={"env": "prod"},
        desired=Desired("a", 2, H1),
        reason=Reason.SELECTOR,
    )
    return replace(made, **fields)


async def stored(pool: asyncpg.Pool, *agents: Target) -> list[Target]:
    """Store new agents."""
    async with pool.acquire() as connection, connection.transaction():
        return await target_store.save(connection, TENANT, {}, agents)


async def test_every_field_comes_back(pool: asyncpg.Pool) -> None:
    """What is written is what is read, the attempt with it."""
    async with pool.acquire() as connection:
        now = await target_store.now(connection)
    target = agent(
        1,
        fences={"status": (3, 9)},
        generation=1 << 50,
        attempt=Attempt(H1, "a", 2, Cause.PUSH, "eve", AttemptStatus.APPLIED, "", now, now, confirmed=True),
        offered_hash=H1,
        offer_count=2,
        retry_at=now,
        delivered_epoch=3,
        waiting_since=now,
        probed=True,
        timeouts=1,
        reported_hash=b"any length",
        reported=Reported.FAILED,
        reported_error="no",
        healthy=False,
        stamped_labels={"group": "edge"},
        withheld=True,
        effective_hash=H1,
        effective_holds=True,
        failed_hashes=(H2, H1),
        due_at=now + timedelta(seconds=1),
        capabilities=(1 << 63) | 2,
    )

    (saved,) = await stored(pool, target)

    assert saved.attempt is not None
    assert (saved.attempt.id > 0, saved.attempt.number) == (True, 1)
    assert await target_store.load(pool, TENANT, [target.uid, b"x" * 16]) == {target.uid: saved}


async def test_unchanged_agents_are_not_written(pool: asyncpg.Pool) -> None:
    """Repeated facts cost no write."""
    (saved,) = await stored(pool, agent(1))
    before = await pool.fetchval("SELECT xmin::text FROM agent_target")
    async with pool.acquire() as connection, connection.transaction():
        await target_store.save(connection, TENANT, {saved.uid: saved}, [saved])

    assert await pool.fetchval("SELECT xmin::text FROM agent_target") == before


async def test_only_what_changed_is_written(pool: asyncpg.Pool) -> None:
    """In few agents and in many, each its own value or all the same: the rest of every row stays as it is."""
    agents = await stored(pool, *(agent(number) for number in range(1, 1 + 2 * bulk.FOLD_FROM)))
    before = {target.uid: target for target in agents}
    few = [replace(target, timeouts=number) for number, target in enumerate(agents[:3], 1)]
    many = [replace(target, offer_count=7, epoch=100 + n) for n, target in enumerate(agents[3 : 3 + bulk.FOLD_FROM])]
    # The row may hold what the value in memory does not say, as long as nobody changed it there.
    await pool.execute("UPDATE agent_target SET labels = $1", {"env": "kept"})

    async with pool.acquire() as connection, connection.transaction():
        await target_store.save(connection, TENANT, before, few)
        await target_store.save(connection, TENANT, before, many)

    expected = before | {target.uid: target for target in (*few, *many)}
    assert await target_store.load(pool, TENANT, list(before)) == {
        uid: replace(target, labels={"env": "kept"}) for uid, target in expected.items()
    }


async def test_affected_are_all_whose_answer_may_change(pool: asyncpg.Pool) -> None:
    """Those that have it, that match it now, that are assigned to it, and for the fallback those with nothing."""
    has, will, idle, chosen, other = (
        agent(1, labels={"env": "x"}),
        agent(2, desired=Desired("b", 1, H2), labels={"env": "prod", "zone": "z"}),
        agent(3, desired=None, labels={}),
        agent(4, desired=Desired("b", 1, H2), labels={}),
        agent(5, desired=Desired("b", 1, H2), labels={"env": "test"}),
    )
    await stored(pool, has, will, idle, chosen, other)
    async with pool.acquire() as connection:
        await target_store.assign(connection, TENANT, [chosen.uid], "a", "ann")

        found = await target_store.affected_uids(connection, TENANT, "a", {"env": "prod"}, is_fallback=False)
        assert found == [has.uid, will.uid, chosen.uid]
        assert await target_store.affected_uids(connection, TENANT, "a", {}, is_fallback=True) == [
            has.uid,
            idle.uid,
            chosen.uid,
        ]


async def test_due_and_level(pool: asyncpg.Pool) -> None:
    """Whose time has come; and whoever lost its time though it does not run what it should."""
    async with pool.acquire() as connection:
        now = await target_store.now(connection)
    late, later = agent(1, due_at=now - timedelta(seconds=2)), agent(2, due_at=now + timedelta(hours=1))
    lost, away, failed = agent(3), agent(4, connected=False), agent(5, failed_hashes=(H1,))
    await stored(pool, late, later, lost, away, failed)

    assert await target_store.due(pool, 10) == {TENANT: [late.uid]}
    assert await target_store.mark_level(pool) == 1
    assert set((await target_store.due(pool, 10))[TENANT]) == {late.uid, lost.uid}
    assert await target_store.due(pool, 1) == {TENANT: [late.uid]}


async def test_counts_come_by_state(pool: asyncpg.Pool) -> None:
    """Of one configuration, of all, and of those that drift by age."""
    applied = agent(1, reported=Reported.APPLIED, reported_hash=H1)
    await stored(pool, applied, agent(2), agent(3, connected=False), agent(4, desired=None))

    assert await target_store.states(pool, TENANT, "a") == ({"applied": 1, "pending": 2}, 2)
    assert await target_store.all_states(pool) == {"applied": 1, "pending": 2, "none": 1}
    assert await target_store.drift(pool) == {"under_1m": 1}


async def test_what_the_registry_should_say(pool: asyncpg.Pool) -> None:
    """In order, page by page; quarantined contents are kept from gateways, unwanted ones taken back."""
    await stored(
        pool,
        agent(1, generation=7),
        agent(2, generation=1, failed_hashes=(H1,)),
        agent(3, generation=2, desired=None),
        agent(4, desired=None),
    )

    first = await target_store.to_announce(pool, ("", b""), 1)
    rest = await target_store.to_announce(pool, (first[0][0], first[0][1]), 10)

    assert first == [(TENANT, agent(1).uid, H1, 7)]
    assert rest == [(TENANT, agent(2).uid, b"", 1), (TENANT, agent(3).uid, b"", 2)]


async def test_forgetting_is_fenced(pool: asyncpg.Pool) -> None:
    """A deletion that was decided before a newer connection does not end it."""
    await stored(pool, agent(1))
    async with pool.acquire() as connection:
        await target_store.assign(connection, TENANT, [agent(1).uid], "a", "ann")

        assert not await target_store.forget(connection, TENANT, agent(1).uid, 2)
        assert await target_store.forget(connection, TENANT, agent(1).uid, 3)
    assert await pool.fetchval("SELECT count(*) FROM assignment") == 0


async def test_withheld_agents_are_announced_with_nothing(pool: asyncpg.Pool) -> None:
    """The registry lets no gateway offer to an agent that waits for approval."""
    await stored(pool, agent(1, generation=5, withheld=True), agent(2, generation=5))

    announced = await target_store.to_announce(pool, ("", b""), 10)

    assert [wanted for _, _, wanted, _ in announced] == [b"", H1]
