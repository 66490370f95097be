from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from fleet.events.v1 import facts_pb2 as facts
from world.facts import (
    batch,
    config_status,
    connected,
    described,
    disconnected,
    effective_config,
    health,
    uid_of,
)

from .conftest import row_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

FORGET = """TRUNCATE agent, agent_presence, agent_tombstone, agent_description, agent_health, agent_components,
  agent_custom_capabilities, agent_package_statuses, agent_connection_settings_status, effective_config,
  effective_config_body, agent_connection, outbox"""
OURS = ("created_at", "updated_at", "reported_at", "last_seen_at")
"""Columns that hold our own time of writing, which no fact decides."""

TABLES = ("agent", "agent_description", "agent_health", "effective_config", "agent_connection", "agent_presence")


async def everything(pool: asyncpg.Pool) -> dict[str, list[dict[str, Any]]]:
    """Read all that facts decide."""
    found = {}
    for table in TABLES:
        rows = [dict(row) for row in await pool.fetch(f"SELECT * FROM {table}")]  # noqa: S608 - a constant
        for row in rows:
            for name in OURS:
                row.pop(name, None)
        found[table] = sorted(rows, key=repr)
    return found


def a_life(rng: random.Random) -> list[facts.Fact]:
    """Make up what a few agents do over a few connections, in the order it happens."""
    said = []
    for number in range(1, 4):
        uid = uid_of(number)
        epoch = 0
        for _ in range(rng.randint(1, 4)):
            epoch += rng.randint(1, 3)
            sequence = 1
            said.append(connected(uid, epoch))
            for _ in range(rng.randint(0, 5)):
                sequence += rng.randint(1, 2)
                said.append(
                    rng.choice(
                        [
                            described(uid, epoch, sequence, {"service.name": f"name-{sequence}"}),
                            health(uid, epoch, sequence, rng.choice(["", "disk full"])),
                            config_status(uid, epoch, sequence, rng.choice(["APPLIED", "FAILED", "APPLYING"]), "bad"),
                            effective_config(uid, epoch, sequence, b"a: %d" % rng.randint(1, 3)),
                        ]
                    )
                )
            if rng.random() < 0.6:
                said.append(disconnected(uid, epoch, sequence + 1, rng.choice(["connection lost", "drain"])))
    return said


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_and_repetition_ends_in_the_same_rows(pool: asyncpg.Pool, apply: Applier, seed: int) -> None:
    """Facts shuffled, repeated and cut into batches anyhow leave what they leave in order."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible life
    life = a_life(rng)
    for one in life:
        await apply(batch(one))
    expected = await everything(pool)
    await pool.execute(FORGET)

    shuffled = [*life, *rng.sample(life, len(life) // 2)]
    rng.shuffle(shuffled)
    while shuffled:
        size = rng.randint(1, 6)
        await apply(*(batch(one) for one in shuffled[:size]))
        del shuffled[:size]

    assert await everything(pool) == expected


async def test_whole_life_in_one_batch_is_the_same_as_in_many(pool: asyncpg.Pool, apply: Applier) -> None:
    """How facts are cut into batches decides nothing."""
    life = a_life(random.Random(7))  # noqa: S311 - a reproducible life
    for one in life:
        await apply(batch(one))
    expected = await everything(pool)
    await pool.execute(FORGET)

    await apply(batch(*life))

    assert await everything(pool) == expected


async def test_late_disconnect_never_touches_a_newer_connection(pool: asyncpg.Pool, apply: Applier) -> None:
    """An agent that came back stays online when the end of its old socket is told at last."""
    uid = uid_of(1)
    await apply(batch(connected(uid, 5)), batch(connected(uid, 9)))

    await apply(batch(disconnected(uid, 5, 4, "connection lost")))

    assert await pool.fetchval("SELECT status FROM agent") == "online"
    rows = await pool.fetch("SELECT epoch, disconnect_reason FROM agent_connection ORDER BY epoch")
    assert [tuple(row) for row in rows] == [(5, "connection lost"), (9, "")]


async def test_new_connection_closes_the_one_before(pool: asyncpg.Pool, apply: Applier) -> None:
    """Without a word about its end, a connection ends where the next begins, as replaced."""
    uid = uid_of(1)
    await apply(batch(connected(uid, 5)))
    await apply(batch(connected(uid, 6)))

    rows = await pool.fetch("SELECT * FROM agent_connection ORDER BY epoch")
    assert [(row["epoch"], row["disconnect_reason"], row["duration_seconds"]) for row in rows] == [
        (5, "replaced", 10.0),
        (6, "", None),
    ]


async def test_error_recovers_with_the_next_good_word(pool: asyncpg.Pool, apply: Applier) -> None:
    """FAILED and unhealthy make an error; APPLIED and healthy end it."""
    uid = uid_of(1)
    await apply(batch(connected(uid, 5), config_status(uid, 5, 2, "FAILED", "no such exporter")))
    assert await row_of(pool, "SELECT status, config_error FROM agent") == ("error", "no such exporter")

    await apply(batch(config_status(uid, 5, 3, "APPLIED"), health(uid, 5, 4, "down")))
    assert await pool.fetchval("SELECT status FROM agent") == "error"

    await apply(batch(health(uid, 5, 5)))
    assert await row_of(pool, "SELECT status, config_error, health_error FROM agent") == ("online", "", "")


async def test_going_offline_keeps_last_seen(pool: asyncpg.Pool, apply: Applier) -> None:
    """The end of a connection is no sign of life."""
    uid = uid_of(1)
    await apply(batch(connected(uid, 5)))
    seen = await pool.fetchval("SELECT last_seen_at FROM agent_presence")

    await apply(batch(disconnected(uid, 5, 2)))

    assert await pool.fetchval("SELECT last_seen_at FROM agent_presence") == seen


async def test_hostile_words_are_stored_harmlessly(pool: asyncpg.Pool, apply: Applier) -> None:
    """NUL characters, huge numbers, unknown enums and foreign ids neither break a batch nor get in."""
    uid = uid_of(1)
    odd = described(uid, 5, 2, {"service.name": "a\x00b", "k\x00": "v" * 100_000})
    odd.described.capabilities = (1 << 64) - 1
    odd.agent_sequence_num = (1 << 64) - 1
    strange = connected(uid, 5)
    strange.connected.transport = 99  # type: ignore[assignment] # an agent of a later version
    strange.time_unix_nano = (1 << 64) - 1
    short = connected(b"short", 5)
    foreign = connected(uid_of(2), 5, tenant="not a tenant\x00")
    endless = connected(uid_of(3), (1 << 64) - 1, at_nano=1)

    await apply(batch(strange, odd, short, foreign, endless, health(uid, 5, 3, "x\x00y"), gateway="g\x00w"))

    row = await pool.fetchrow("SELECT name, health_error, capabilities, transport FROM agent")
    assert tuple(row or ()) == ("ab", "xy", -1, 0)


async def test_transitions_are_said_once(pool: asyncpg.Pool, apply: Applier) -> None:
    """However often facts come, the world hears of each transition one time."""
    uid = uid_of(1)
    first = batch(connected(uid, 5), described(uid, 5, 2), health(uid, 5, 3))
    for _ in range(3):
        await apply(first)
    await apply(batch(disconnected(uid, 5, 4)))
    await apply(batch(disconnected(uid, 5, 4)), first)

    subjects = [row["subject"] for row in await pool.fetch("SELECT subject FROM outbox ORDER BY id")]
    assert [subject.split(".")[3] for subject in subjects] == ["online", "described", "health_changed", "offline"]
