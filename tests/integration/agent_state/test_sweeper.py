from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_state.connection_store import ConnectionStore
from agent_state.liveness import FUSE_AT_LEAST, Fuse, Rules, Steadiness
from agent_state.presence_store import PresenceStore
from agent_state.sweeper import Sweeper
from contracts import subjects
from fleet.events.v1 import agent_pb2
from fleet.events.v1 import facts_pb2 as facts
from servicekit.bus import BusMessage
from servicekit.clock import FakeClock
from world.facts import batch, connected, uid_of

from .conftest import row_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

LONG_ENOUGH = 1000.0


class StillBus:
    """A bus that has been connected for ever and says nothing."""

    def connected_seconds(self) -> float:
        """Tell a long time."""
        return LONG_ENOUGH


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock tests move."""
    return FakeClock()


@pytest.fixture
def sweeper(pool: asyncpg.Pool, clock: FakeClock) -> Sweeper:
    """Give a sweeper that does nothing by itself."""
    return Sweeper(
        pool,
        StillBus(),  # type: ignore[arg-type] # only its age is asked
        store=PresenceStore(pool),
        connections=ConnectionStore(),
        steadiness=Steadiness(),
        clock=clock,
        rules=Rules(10, 3, 60),
        fuse=Fuse(0.2, 60),
        check_seconds=2,
        sweep_seconds=30,
    )


async def lease(pool: asyncpg.Pool, gateway: str, seconds: int) -> None:
    """Give *gateway* a lease that ends in *seconds*."""
    await pool.execute(
        "INSERT INTO gateway_lease (gateway_id, expires_at) VALUES ($1, now() + make_interval(secs => $2))",
        gateway,
        float(seconds),
    )


async def seen_ago(pool: asyncpg.Pool, seconds: int) -> None:
    """Let every agent have been seen *seconds* ago."""
    await pool.execute("UPDATE agent_presence SET last_seen_at = now() - make_interval(secs => $1)", float(seconds))


async def test_dead_gateway_takes_its_agents_offline(pool: asyncpg.Pool, apply: Applier, sweeper: Sweeper) -> None:
    """Only the agents of the gateway whose lease ran out go, with reason, history and one event each."""
    await apply(batch(connected(uid_of(1), 5), connected(uid_of(2), 6, gateway="gw-2")))
    await seen_ago(pool, 20)
    await lease(pool, "gw-1", -1)
    await lease(pool, "gw-2", 10)

    assert await sweeper.check_leases(LONG_ENOUGH) == 1
    assert await sweeper.check_leases(LONG_ENOUGH) == 0

    rows = await pool.fetch("SELECT status, disconnect_reason FROM agent ORDER BY agent_uid")
    assert [tuple(row) for row in rows] == [("offline", "gateway lost"), ("online", "")]
    closed = await row_of(
        pool, "SELECT epoch, closed_by, duration_seconds > 0 FROM agent_connection WHERE closed_by > 0"
    )
    assert closed == (5, 1, True)
    payloads = [row["payload"] for row in await pool.fetch("SELECT payload FROM outbox ORDER BY id")]
    events = [agent_pb2.AgentEvent.FromString(payload) for payload in payloads]
    assert [event.WhichOneof("what") for event in events] == ["online", "online", "offline"]
    assert events[-1].offline.reason == "gateway lost"


async def test_polling_agents_outlive_their_gateway(pool: asyncpg.Pool, apply: Applier, sweeper: Sweeper) -> None:
    """A gateway that goes between two polls takes only WebSocket agents along; who polls is judged by silence."""
    polling = connected(uid_of(1), 5)
    polling.connected.transport = facts.TRANSPORT_HTTP
    await apply(batch(polling, connected(uid_of(2), 6)))
    await seen_ago(pool, 20)
    await lease(pool, "gw-1", -1)

    assert await sweeper.check_leases(LONG_ENOUGH) == 1
    rows = await pool.fetch("SELECT status FROM agent ORDER BY agent_uid")
    assert [row["status"] for row in rows] == ["online", "offline"]

    await seen_ago(pool, 61)
    assert await sweeper.sweep_silent(LONG_ENOUGH) == 1
    reasons = await pool.fetch("SELECT disconnect_reason FROM agent ORDER BY agent_uid")
    assert [row["disconnect_reason"] for row in reasons] == ["heartbeat timeout", "gateway lost"]


async def test_silent_agent_goes_offline_and_keeps_last_seen(
    pool: asyncpg.Pool, apply: Applier, sweeper: Sweeper
) -> None:
    """Silence over the threshold ends it; the time it was last seen stays as it was."""
    await apply(batch(connected(uid_of(1), 5)))
    await seen_ago(pool, 59)
    assert await sweeper.sweep_silent(LONG_ENOUGH) == 0

    await seen_ago(pool, 61)
    before = await pool.fetchval("SELECT last_seen_at FROM agent_presence")
    assert await sweeper.sweep_silent(LONG_ENOUGH) == 1

    assert await row_of(pool, "SELECT status, disconnect_reason FROM agent") == ("offline", "heartbeat timeout")
    assert await pool.fetchval("SELECT last_seen_at FROM agent_presence") == before


async def test_agents_in_error_are_swept_too(pool: asyncpg.Pool, apply: Applier, sweeper: Sweeper) -> None:
    """An unhealthy agent that falls silent is offline like any other."""
    await apply(batch(connected(uid_of(1), 5)))
    await pool.execute("UPDATE agent SET health_state = 'unhealthy'")
    await seen_ago(pool, 61)

    assert await sweeper.sweep_silent(LONG_ENOUGH) == 1


async def test_nothing_is_judged_without_having_listened(pool: asyncpg.Pool, apply: Applier, sweeper: Sweeper) -> None:
    """After an outage of ours no agent goes offline before it had time to be heard."""
    await apply(batch(connected(uid_of(1), 5)))
    await seen_ago(pool, 1000)
    await lease(pool, "gw-1", -900)

    assert await sweeper.check_leases(13.0) == 0
    assert await sweeper.sweep_silent(63.0) == 0
    assert await pool.fetchval("SELECT status FROM agent") == "online"


async def test_gateway_heard_here_is_alive_whatever_the_lease_says(
    pool: asyncpg.Pool, apply: Applier, sweeper: Sweeper, clock: FakeClock
) -> None:
    """A replica that hangs cannot make a gateway look dead to the one that sweeps."""
    await apply(batch(connected(uid_of(1), 5)))
    await seen_ago(pool, 20)
    await lease(pool, "gw-1", -1)
    await sweeper._hear(BusMessage(subjects.presence("gw-1"), b""))

    assert await sweeper.check_leases(LONG_ENOUGH) == 0
    await clock.advance(11)
    assert await sweeper.check_leases(LONG_ENOUGH) == 1


async def test_a_mass_is_held_back_until_it_is_still_silent(
    pool: asyncpg.Pool, apply: Applier, sweeper: Sweeper, clock: FakeClock
) -> None:
    """More than a fifth at once is believed at the second look only."""
    await apply(batch(*(connected(uid_of(number), number) for number in range(1, FUSE_AT_LEAST + 5))))
    await seen_ago(pool, 61)

    assert await sweeper.sweep_silent(LONG_ENOUGH) == 0
    await clock.advance(60)
    assert await sweeper.sweep_silent(LONG_ENOUGH) == FUSE_AT_LEAST + 4


async def test_new_connection_survives_the_loss_of_the_old(
    pool: asyncpg.Pool, apply: Applier, sweeper: Sweeper
) -> None:
    """An agent that moved to another gateway is not dragged down by the first."""
    await apply(batch(connected(uid_of(1), 5)))
    await seen_ago(pool, 20)
    await lease(pool, "gw-1", -1)
    await apply(batch(connected(uid_of(1), 6, gateway="gw-2"), gateway="gw-2"))

    assert await sweeper.check_leases(LONG_ENOUGH) == 0
