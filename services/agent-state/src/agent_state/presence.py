"""
Hear who is there: gateways' beats become lease renewals and last-seen times, written about once a second.

Also puts right what facts alone cannot: an agent given up for lost that is heard from again is back at once, one
that gateways keep naming although its Connected fact never came is adopted, a deleted one still named is closed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from agent_state import metrics
from agent_state.folding import HIGHEST_EPOCH
from agent_state.offers import Target
from agent_state.presence_store import Heard
from agent_state.publisher import back_online
from contracts import subjects
from contracts.ids import UID_LENGTH, is_tenant_id
from fleet.events.v1.presence_pb2 import Presence
from servicekit import outbox
from servicekit.errors import Invalid
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    import asyncpg

    from agent_state.connection_store import ConnectionStore
    from agent_state.epochs import Epochs
    from agent_state.liveness import Steadiness
    from agent_state.offers import Offers
    from agent_state.presence_store import PresenceStore
    from servicekit.bus import Bus, BusMessage
    from servicekit.clock import Clock

log = structlog.get_logger()

QUEUE = "agent-state"
MAX_WAITING = 500_000
CHUNK = 5_000
MAX_GATEWAY_ID_CHARACTERS = 200
_MAX_CONNECTIONS = (1 << 63) - 1

Adopt = Callable[[Sequence[Heard]], Awaitable[int]]


class PresenceListener:
    """
    Listens on a queue group, so replicas share the beats.

    Args:
        adopt: Takes agents as connected; returns how many were.

        epochs: Told which connection numbers are in use.

        lease_seconds: How long a beat keeps a gateway alive.

        flush_seconds: How often what was heard is written down.

        adopt_seconds: How long an agent must have been unknown before it is adopted.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        store: PresenceStore,
        connections: ConnectionStore,
        *,
        offers: Offers,
        adopt: Adopt,
        epochs: Epochs,
        steadiness: Steadiness,
        clock: Clock,
        lease_seconds: float,
        flush_seconds: float,
        adopt_seconds: float,
    ) -> None:
        self._pool = pool
        self._store = store
        self._connections = connections
        self._offers = offers
        self._adopt = adopt
        self._epochs = epochs
        self._steadiness = steadiness
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._flush_seconds = flush_seconds
        self._adopt_seconds = adopt_seconds
        self._beats: dict[str, tuple[bool, int]] = {}
        self._heard: dict[tuple[str, bytes], tuple[int, str]] = {}
        self._unknown_since: dict[tuple[str, bytes, int], float] = {}

    async def listen(self, bus: Bus) -> None:
        """Begin to hear."""
        await bus.subscribe(subjects.presence("*"), self.hear, queue=QUEUE)

    async def hear(self, message: BusMessage) -> None:
        """
        Take one beat in; nothing is written yet.

        Raises:
            Invalid: The beat contradicts itself.
        """
        try:
            beat = Presence.FromString(message.payload)
        except DecodeError as error:
            raise Invalid("not a beat") from error
        if not 0 < len(beat.gateway_id) <= MAX_GATEWAY_ID_CHARACTERS or "\x00" in beat.gateway_id:
            raise Invalid("a beat must name its gateway")
        self._beats[beat.gateway_id] = (beat.leaving, min(beat.connections, _MAX_CONNECTIONS))
        for group in beat.heard:
            if len(group.uids) != UID_LENGTH * len(group.epochs):
                raise Invalid("a beat must have one epoch per uid")
            if not is_tenant_id(group.tenant_id):
                metrics.HEARD_REFUSED.inc(len(group.epochs))
                log.warning("presence_refused", gateway_id=beat.gateway_id, tenant_id=group.tenant_id[:100])
                continue
            self._note(group.tenant_id, group.uids, group.epochs, beat.gateway_id)

    async def run(self) -> None:
        """Write down for ever; while the database is away, what was heard waits."""
        while True:
            await self._clock.sleep(self._flush_seconds)
            try:
                await self.flush()
            except Exception as error:
                if not is_transient(error):
                    raise
                self._steadiness.interrupted(self._clock.monotonic())
                self._epochs.forget()
                log.warning("presence_not_written", error=str(error) or type(error).__name__)

    async def flush(self) -> None:
        """Write down everything heard so far."""
        beats, self._beats = self._beats, {}
        heard, self._heard = self._heard, {}
        entries = [Heard(*key, epoch, gateway_id) for key, (epoch, gateway_id) in sorted(heard.items())]
        try:
            await self._store.renew([(gateway, *beat) for gateway, beat in sorted(beats.items())], self._lease_seconds)
            await self._epochs.seen(max((entry.epoch for entry in entries), default=0))
            for start in range(0, len(entries), CHUNK):
                await self._write(entries[start : start + CHUNK])
        except Exception:
            self._beats = beats | self._beats
            self._heard = heard | self._heard
            raise
        self._steadiness.written(self._clock.monotonic())

    def _note(self, tenant_id: str, uids: bytes, epochs: Sequence[int], gateway_id: str) -> None:
        heard = self._heard
        for index, epoch in enumerate(epochs):
            key = (tenant_id, uids[index * UID_LENGTH : (index + 1) * UID_LENGTH])
            known = heard.get(key)
            if known is None:
                if len(heard) >= MAX_WAITING:
                    metrics.HEARD_DROPPED.inc(len(epochs) - index)
                    return
            elif known[0] > epoch:
                continue
            if 0 < epoch <= HIGHEST_EPOCH:
                heard[key] = (epoch, gateway_id)

    async def _write(self, entries: Sequence[Heard]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            known = await self._store.heard(connection, entries)
            revived = await self._store.revive(connection, entries)
            await self._connections.reopen(connection, revived)
            await outbox.add(connection, [_back(row) for row in revived])
        metrics.HEARD.inc(known)
        if revived:
            metrics.REVIVED.inc(len(revived))
            for row in revived:
                metrics.STATUS_CHANGES.labels(row["old_status"], row["status"]).inc()
            log.info("agents_revived", agents=len(revived))
        if known < len(entries):
            await self._look_after_unknown(entries)

    async def _look_after_unknown(self, entries: Sequence[Heard]) -> None:
        now = self._clock.monotonic()
        unmatched = await self._store.unmatched(entries)
        buried = [_target(entry.heard) for entry in unmatched if entry.buried]
        if buried:
            await self._offers.close(buried)
        due = []
        for entry in unmatched:
            heard = entry.heard
            key = (heard.tenant_id, heard.uid, heard.epoch)
            if not entry.buried and now - self._unknown_since.setdefault(key, now) >= self._adopt_seconds:
                del self._unknown_since[key]
                due.append(heard)
        if len(self._unknown_since) > MAX_WAITING:
            self._unknown_since.clear()
        if due:
            adopted = await self._adopt(due)
            metrics.ADOPTED.inc(adopted)
            log.warning("agents_adopted", agents=adopted)
            await self._offers.ask_full_state([_target(heard) for heard in due])


def _target(heard: Heard) -> Target:
    return Target(heard.tenant_id, heard.uid, heard.epoch, heard.gateway_id)


def _back(row: asyncpg.Record) -> outbox.OutboxEvent:
    return back_online(
        (row["tenant_id"], row["agent_uid"]),
        (row["epoch"], row["sequence"]),
        row["gateway_id"],
        row["transport"],
        row["now"],
    )
