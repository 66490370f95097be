"""
The transactional outbox: what a service says after commit, said at least once, in order.

Rows are written in the transaction of the change and kept a week after publication, so that a stream that
was lost (emptied NATS, power cut) is filled again: the relay remembers which stream it wrote to and how far.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import structlog
from nats.errors import Error as NatsError

from servicekit import metrics
from servicekit.bus import Bus, StreamSpec, StreamState
from servicekit.errors import Unavailable
from servicekit.groups import heed_cancellation
from servicekit.postgres import Connection, is_transient

log = structlog.get_logger()

BATCH = 500
IDLE_SECONDS = 1.0
PUBLISH_TIMEOUT_SECONDS = 5.0
PRUNE_EVERY_SECONDS = 600.0
CHANNEL = "outbox"

_ADD = """
INSERT INTO outbox (subject, payload, message_id)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[])
ON CONFLICT (message_id) DO NOTHING
"""
_WAITING = "SELECT id, subject, payload, message_id FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1"
_PUBLISHED = """
UPDATE outbox SET published_at = now(), stream_seq = done.seq
FROM unnest($1::bigint[], $2::bigint[]) AS done (id, seq) WHERE outbox.id = done.id
"""
_REMEMBER = """
INSERT INTO outbox_stream (stream, created, last_seq) VALUES ($1, $2, $3)
ON CONFLICT (stream) DO UPDATE SET created = excluded.created, last_seq = excluded.last_seq
"""
_AGAIN_ABOVE = "UPDATE outbox SET published_at = NULL WHERE published_at IS NOT NULL AND stream_seq > $1"
_AGAIN_ALL = "UPDATE outbox SET published_at = NULL WHERE published_at > now() - interval '24 hours'"
_PRUNE = "DELETE FROM outbox WHERE published_at < now() - interval '7 days'"


@dataclass(frozen=True)
class OutboxEvent:
    """One message to be said after commit."""

    subject: str
    payload: bytes
    message_id: str
    """Unique for ever; becomes Nats-Msg-Id, so a repeat within the stream's window is dropped."""


async def add(connection: Connection, events: Sequence[OutboxEvent]) -> None:
    """Write events into the outbox, inside the caller's transaction; a known message_id is left alone."""
    if not events:
        return
    await connection.execute(
        _ADD,
        [event.subject for event in events],
        [event.payload for event in events],
        [event.message_id for event in events],
    )
    await connection.execute(f"SELECT pg_notify('{CHANNEL}_' || current_schema(), '')")


class OutboxRelay:
    """
    Publishes what waits. Run it under a Leader: two relays are harmless but say things twice.

    Args:
        pool: The service's pool.

        bus: Where to publish.

        stream: The stream that carries the subjects.
    """

    def __init__(self, pool: asyncpg.Pool, bus: Bus, stream: StreamSpec) -> None:
        self._pool = pool
        self._bus = bus
        self._stream = stream
        self._wake = asyncio.Event()
        self._checked = False
        # Here and not in run(), which begins again with every term of leadership.
        bus.on_reconnect(self._recheck)

    async def run(self) -> None:
        """Publish for ever; servers that are away are waited for."""
        self._checked = False
        while True:
            try:
                async with self._pool.acquire() as connection:
                    schema = await connection.fetchval("SELECT current_schema()")
                    await connection.add_listener(f"{CHANNEL}_{schema}", self._notified)
                    try:
                        await self._work()
                    finally:
                        if not connection.is_closed():
                            await connection.remove_listener(f"{CHANNEL}_{schema}", self._notified)
            except Unavailable:
                pass
            except Exception as error:
                if not (is_transient(error) or isinstance(error, NatsError)):
                    raise
                log.warning("outbox_waits", error=str(error) or type(error).__name__)
            heed_cancellation()
            await asyncio.sleep(IDLE_SECONDS)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        next_prune = loop.time()
        while True:
            heed_cancellation()
            if not self._checked:
                await self._check_for_loss()
            self._wake.clear()
            moved = await self._publish_batch()
            if loop.time() >= next_prune:
                await self._pool.execute(_PRUNE)
                next_prune = loop.time() + PRUNE_EVERY_SECONDS
            if moved < BATCH:
                try:
                    async with asyncio.timeout(IDLE_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _publish_batch(self) -> int:
        rows = await self._pool.fetch(_WAITING, BATCH)
        metrics.OUTBOX_PENDING.set(len(rows))
        if not rows:
            return 0
        acks = []
        for row in rows:
            headers = {"Nats-Msg-Id": row["message_id"]}
            acks.append(
                await self._bus.js.publish_async(
                    row["subject"], row["payload"], stream=self._stream.name, headers=headers
                )
            )
        # Not wait_for(gather(...)): cancelled, that leaves an exception nobody retrieves, logged as an error.
        _, late = await asyncio.wait(acks, timeout=PUBLISH_TIMEOUT_SECONDS)
        if late:
            self._checked = False
            raise Unavailable("the stream does not answer")
        refused = [ack.cancelled() or ack.exception() is not None for ack in acks]
        published = []
        for row, ack, failed in zip(rows, acks, refused, strict=True):
            if failed:
                break
            published.append((row["id"], ack.result().seq))
        if published:
            await self._pool.execute(_PUBLISHED, [row for row, _ in published], [seq for _, seq in published])
            state = await self._bus.ensure_stream(self._stream)
            await self._remember(StreamState(state.created, max(state.last_seq, published[-1][1])))
            metrics.OUTBOX_PUBLISHED.inc(len(published))
        if len(published) < len(rows):
            self._checked = False
            raise Unavailable("the stream did not take every event")
        return len(rows)

    async def _check_for_loss(self) -> None:
        state = await self._bus.ensure_stream(self._stream)
        known = await self._pool.fetchrow(
            "SELECT created, last_seq FROM outbox_stream WHERE stream = $1", self._stream.name
        )
        if known is not None and known["created"] != state.created:
            log.warning("stream_was_lost", stream=self._stream.name)
            await self._pool.execute(_AGAIN_ALL)
        elif known is not None and known["last_seq"] > state.last_seq:
            log.warning("stream_lost_its_tail", stream=self._stream.name, had=known["last_seq"], has=state.last_seq)
            await self._pool.execute(_AGAIN_ABOVE, state.last_seq)
        await self._remember(state)
        self._checked = True

    async def _remember(self, state: StreamState) -> None:
        await self._pool.execute(_REMEMBER, self._stream.name, state.created, state.last_seq)

    async def _recheck(self) -> None:
        self._checked = False
        self._wake.set()

    def _notified(self, *_: object) -> None:
        self._wake.set()
