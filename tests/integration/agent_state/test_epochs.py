from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent_state.epochs import Epochs
from agent_state.folding import HIGHEST_EPOCH
from fleet.events.v1.presence_pb2 import HeardFrom, Presence
from servicekit.bus import BusMessage
from world.facts import batch, connected, disconnected, uid_of

from .test_presence import Ear

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

RESTORED = "SELECT setval('connection_epoch', 10)"


async def test_concurrent_callers_never_share_an_epoch(pool: asyncpg.Pool) -> None:
    """Rows of numbers handed out at the same time do not overlap."""
    epochs = Epochs(pool)

    firsts = await asyncio.gather(*(epochs.allocate(count) for count in [7, 1, 100, 3] * 10))

    taken = [
        number
        for first, count in zip(firsts, [7, 1, 100, 3] * 10, strict=True)
        for number in range(first, first + count)
    ]
    assert len(set(taken)) == len(taken)


async def test_numbers_grow_above_facts_of_a_later_time(pool: asyncpg.Pool, apply: Applier) -> None:
    """A database restored from older data hands out numbers above those the stream tells of, deleted agents' too."""
    await pool.execute(
        "INSERT INTO agent_tombstone (tenant_id, agent_uid, epoch) VALUES ('default', $1, 99)", uid_of(1)
    )
    await pool.execute(RESTORED)

    await apply(batch(connected(uid_of(1), 90), connected(uid_of(2), 70), disconnected(uid_of(2), 70, 2)))

    assert await Epochs(pool).allocate(1) == 91


async def test_numbers_grow_above_beats_of_a_later_time(pool: asyncpg.Pool, apply: Applier) -> None:
    """So do they above the connections gateways hold, even before anything else is known of them."""
    await pool.execute(RESTORED)

    await Ear(pool, apply).hear((uid_of(1), 70), (uid_of(2), 60))

    assert await Epochs(pool).allocate(1) == 71


async def test_numbers_grow_above_what_is_stored(pool: asyncpg.Pool, apply: Applier) -> None:
    """A sequence that stands below its own tables is lifted at start, and a sound one is left alone."""
    await apply(batch(connected(uid_of(1), 70)))
    await pool.execute(
        "INSERT INTO agent_tombstone (tenant_id, agent_uid, epoch) VALUES ('default', $1, 80)", uid_of(2)
    )
    await pool.execute(RESTORED)

    await Epochs(pool).start()
    assert await Epochs(pool).allocate(1) == 81
    await Epochs(pool).start()
    assert await Epochs(pool).allocate(1) == 82


async def test_first_number_of_all_is_not_given_twice(pool: asyncpg.Pool) -> None:
    """A sequence nobody asked yet knows that 1 is in use when it is told so."""
    await Epochs(pool).seen(1)

    assert await Epochs(pool).allocate(1) == 2


async def test_restore_under_a_running_service_is_noticed(pool: asyncpg.Pool) -> None:
    """A number below those handed out before is not handed out."""
    epochs = Epochs(pool)
    await pool.execute("SELECT setval('connection_epoch', 500)")
    assert await epochs.allocate(10) == 501
    await pool.execute(RESTORED)

    assert await epochs.allocate(1) == 511


async def test_known_numbers_cost_no_question(pool: asyncpg.Pool) -> None:
    """The database is asked once for a new height, and again only after it was away."""
    epochs = Epochs(pool)
    await epochs.seen(70)
    await pool.execute(RESTORED)

    await epochs.seen(70)
    assert await pool.fetchval("SELECT last_value FROM connection_epoch") == 10
    epochs.forget()
    await epochs.seen(60)
    assert await pool.fetchval("SELECT last_value FROM connection_epoch") == 70


async def test_made_up_number_does_not_use_up_the_others(pool: asyncpg.Pool, apply: Applier) -> None:
    """One absurd number in a beat or a fact does not lift the sequence, nor hide the sound ones beside it."""
    heard = HeardFrom(tenant_id="default", uids=uid_of(1) + uid_of(2), epochs=[HIGHEST_EPOCH + 1, 70])
    ear = Ear(pool, apply)

    await ear.listener.hear(BusMessage("s", Presence(gateway_id="gw-1", heard=[heard]).SerializeToString()))
    await ear.listener.flush()
    assert await Epochs(pool).allocate(1) == 71

    await apply(batch(connected(uid_of(3), HIGHEST_EPOCH + 1, at_nano=1), connected(uid_of(4), 90)))
    assert await Epochs(pool).allocate(1) == 91
