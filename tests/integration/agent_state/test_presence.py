from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_state import metrics
from agent_state.connection_store import ConnectionStore
from agent_state.liveness import Steadiness
from agent_state.offers import Target
from agent_state.presence import PresenceListener
from agent_state.presence_store import PresenceStore
from contracts import subjects
from fleet.events.v1 import agent_pb2
from fleet.events.v1.presence_pb2 import HeardFrom, Presence
from servicekit.bus import BusMessage
from servicekit.clock import FakeClock
from servicekit.errors import Invalid
from world.facts import batch, connected, disconnected, uid_of

from .conftest import row_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from .conftest import Applier

AGO = "UPDATE agent_presence SET last_seen_at = now() - interval '70 seconds'"


class RecordingOffers:
    """Remembers what gateways were asked."""

    def __init__(self) -> None:
        self.closed: list[Target] = []
        self.asked: list[Target] = []

    async def close(self, targets: Iterable[Target], reason: str = "deleted") -> None:
        """Remember."""
        assert reason == "deleted"
        self.closed.extend(targets)

    async def ask_full_state(self, targets: Iterable[Target]) -> None:
        """Remember."""
        self.asked.extend(targets)


class Ear:
    """A listener with its own clock."""

    def __init__(self, pool: asyncpg.Pool, apply: Applier) -> None:
        self.clock = FakeClock()
        self.offers = RecordingOffers()
        self.steadiness = Steadiness()
        self.store = PresenceStore(pool)
        self.listener = PresenceListener(
            pool,
            self.store,
            ConnectionStore(),
            offers=self.offers,  # type: ignore[arg-type] # a recording stand-in
            adopt=lambda heard: apply.consumer.adopt(pool, heard),
            epochs=apply.epochs,
            steadiness=self.steadiness,
            clock=self.clock,
            lease_seconds=10,
            flush_seconds=1,
            adopt_seconds=15,
        )

    async def hear(self, *agents: tuple[bytes, int], gateway: str = "gw-1", leaving: bool = False) -> None:
        """Take in one beat and write it down."""
        heard = HeardFrom(
            tenant_id="default", uids=b"".join(uid for uid, _ in agents), epochs=[epoch for _, epoch in agents]
        )
        beat = Presence(gateway_id=gateway, heard=[heard] if agents else [], leaving=leaving, connections=len(agents))
        await self.listener.hear(BusMessage(subjects.presence(gateway), beat.SerializeToString()))
        await self.listener.flush()


@pytest.fixture
def ear(pool: asyncpg.Pool, apply: Applier) -> Ear:
    """Give a listener."""
    return Ear(pool, apply)


async def test_beat_moves_last_seen_and_renews_the_lease(pool: asyncpg.Pool, apply: Applier, ear: Ear) -> None:
    """Whoever was named was seen now; its gateway lives on, even when it names nobody."""
    await apply(batch(connected(uid_of(1), 5)))
    await pool.execute(AGO)

    await ear.hear((uid_of(1), 5), gateway="gw-2")
    await ear.hear(gateway="gw-3")

    assert await row_of(pool, "SELECT last_seen_at > now() - interval '60 s', gateway_id FROM agent_presence") == (
        True,
        "gw-2",
    )
    leases = await pool.fetch("SELECT gateway_id, expires_at > now() FROM gateway_lease ORDER BY 1")
    assert [tuple(row) for row in leases] == [("gw-2", True), ("gw-3", True)]


async def test_leaving_gateway_ends_its_lease(pool: asyncpg.Pool, ear: Ear) -> None:
    """A drained gateway is not waited for."""
    await ear.hear(gateway="gw-1")
    await ear.hear(gateway="gw-1", leaving=True)

    assert await pool.fetchval("SELECT expires_at <= now() FROM gateway_lease")


async def test_word_of_an_older_connection_moves_nothing(pool: asyncpg.Pool, apply: Applier, ear: Ear) -> None:
    """A half-dead socket elsewhere does not keep the agent alive."""
    await apply(batch(connected(uid_of(1), 5)))
    await pool.execute(AGO)

    await ear.hear((uid_of(1), 4))

    assert await pool.fetchval("SELECT last_seen_at < now() - interval '60 seconds' FROM agent_presence")


async def test_lost_agent_heard_from_is_back(pool: asyncpg.Pool, apply: Applier, ear: Ear) -> None:
    """The same connection speaks: status, history and events are put right, once."""
    await apply(batch(connected(uid_of(1), 5)))
    async with pool.acquire() as connection, connection.transaction():
        await ear.store.lose(connection, -60, "heartbeat timeout", None)
    await pool.execute("UPDATE agent_connection SET disconnected_at = now(), closed_by = 1, disconnect_reason = 'x'")

    await ear.hear((uid_of(1), 5))
    await ear.hear((uid_of(1), 5))

    assert await pool.fetchval("SELECT status FROM agent") == "online"
    assert await row_of(pool, "SELECT disconnected_at, closed_by FROM agent_connection") == (None, 0)
    payloads = [row["payload"] for row in await pool.fetch("SELECT payload FROM outbox ORDER BY id")]
    said = [agent_pb2.AgentEvent.FromString(payload).WhichOneof("what") for payload in payloads]
    assert said == ["online", "online"]


async def test_closed_agent_is_not_revived(pool: asyncpg.Pool, apply: Applier, ear: Ear) -> None:
    """A Disconnected fact is final: a beat that was under way changes nothing."""
    await apply(batch(connected(uid_of(1), 5), disconnected(uid_of(1), 5, 2)))

    await ear.hear((uid_of(1), 5))

    assert await pool.fetchval("SELECT status FROM agent") == "offline"


async def test_agent_known_from_presence_alone_is_adopted(pool: asyncpg.Pool, apply: Applier, ear: Ear) -> None:
    """When the stream lost its Connected fact, an agent named long enough is taken in and asked for everything."""
    adopted = metrics.ADOPTED._value.get()
    await ear.hear((uid_of(1), 5))
    await ear.clock.advance(14)
    await ear.hear((uid_of(1), 5))
    assert await pool.fetchval("SELECT count(*) FROM agent") == 0

    await ear.clock.advance(2)
    await ear.hear((uid_of(1), 5))

    assert await row_of(pool, "SELECT status, epoch, sequence FROM agent") == ("online", 5, 0)
    assert ear.offers.asked == [Target("default", uid_of(1), 5, "gw-1")]
    assert metrics.ADOPTED._value.get() == adopted + 1
    await apply(batch(connected(uid_of(1), 5)))
    assert await row_of(pool, "SELECT epoch, sequence, transport FROM agent") == (5, 1, 1)
    assert await row_of(pool, "SELECT count(*), bool_or(implied) FROM agent_connection") == (1, False)


async def test_deleted_agent_still_named_is_closed_again(pool: asyncpg.Pool, ear: Ear) -> None:
    """A gateway that missed the request to close hears it again."""
    await pool.execute("INSERT INTO agent_tombstone (tenant_id, agent_uid, epoch) VALUES ('default', $1, 5)", uid_of(1))

    await ear.hear((uid_of(1), 5))

    assert ear.offers.closed == [Target("default", uid_of(1), 5, "gw-1")]
    assert await pool.fetchval("SELECT count(*) FROM agent") == 0


async def test_contradictory_beats_are_refused(ear: Ear) -> None:
    """A beat without a gateway, or with uids and epochs that do not match, is not taken in."""
    for beat in (Presence(), Presence(gateway_id="g", heard=[HeardFrom(uids=b"x" * 17, epochs=[1])])):
        with pytest.raises(Invalid):
            await ear.listener.hear(BusMessage("s", beat.SerializeToString()))
    with pytest.raises(Invalid):
        await ear.listener.hear(BusMessage("s", b"\xff"))


async def test_impossible_tenant_is_left_out_and_counted(pool: asyncpg.Pool, apply: Applier, ear: Ear) -> None:
    """A tenant no database would take ends nothing: its agents are dropped, the rest of the beat is written down."""
    await apply(batch(connected(uid_of(1), 5)))
    await pool.execute(AGO)
    refused = metrics.HEARD_REFUSED._value.get()
    groups = [HeardFrom(tenant_id=name, uids=uid_of(1), epochs=[5]) for name in ("a\x00", "", "A b", "default")]

    await ear.listener.hear(BusMessage("s", Presence(gateway_id="gw-1", heard=groups).SerializeToString()))
    await ear.listener.flush()

    assert await pool.fetchval("SELECT last_seen_at > now() - interval '60 s' FROM agent_presence")
    assert metrics.HEARD_REFUSED._value.get() == refused + 3


async def test_what_could_not_be_written_waits(
    pool: asyncpg.Pool, apply: Applier, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away nothing heard is forgotten, and the listener knows it was interrupted."""
    await apply(batch(connected(uid_of(1), 5)))
    await pool.execute(AGO)

    async def away(*_: object) -> int:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(ear.store, "heard", away)
        with pytest.raises(ConnectionError):
            await ear.hear((uid_of(1), 5))
    await ear.listener.flush()

    assert await pool.fetchval("SELECT last_seen_at > now() - interval '60 s' FROM agent_presence")
