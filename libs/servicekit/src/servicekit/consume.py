"""
Apply a partitioned stream to a database: in order per partition, exactly once in effect.

The position lies in the database and moves in the transaction of the effect; the stream is read from there by a
throw-away consumer, so a lost, emptied, restored or restarted NATS changes nothing but time. Replicas share the
partitions by advisory locks; should two ever serve one, the compare-and-set on the position lets only one commit.
A message that can never be applied goes to the dead-letter table, and the rest flows on.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import asyncpg
import structlog
from google.protobuf.message import DecodeError, Message
from nats.errors import Error as NatsError

from servicekit import metrics
from servicekit.bus import Bus, StreamSpec
from servicekit.errors import Invalid, ServiceError, Unavailable
from servicekit.groups import heed_cancellation
from servicekit.partitions import PartitionLocks
from servicekit.postgres import Connection, is_transient
from servicekit.pull import Pulled, StreamReader

log = structlog.get_logger()

M = TypeVar("M", bound=Message)
AfterCommit = Callable[[], Awaitable[None]]
Apply = Callable[[Connection, Sequence[M]], Awaitable[AfterCommit | None]]

BATCH = 64
MAX_TRIES = 5
MAX_ERROR_CHARACTERS = 2000
TRY_AGAIN_SECONDS = (0.05, 0.2, 1.0, 3.0)
RETRY_SECONDS = 0.5
REBALANCE_SECONDS = 10.0

_READ = "SELECT seq FROM consumer_offset WHERE consumer = $1 AND partition = $2 AND stream_epoch = $3"
_BEGIN = """
INSERT INTO consumer_offset (consumer, partition, stream_epoch, seq) VALUES ($1, $2, $3, 0)
ON CONFLICT DO NOTHING
"""
_MOVE = """
UPDATE consumer_offset SET seq = $5, updated_at = now()
WHERE consumer = $1 AND partition = $2 AND stream_epoch = $3 AND seq = $4
"""
_BEGIN_AGAIN = """
UPDATE consumer_offset SET seq = 0, updated_at = now()
WHERE consumer = $1 AND partition = $2 AND stream_epoch = $3 AND seq = $4
"""
_BURY = """
INSERT INTO dead_letter (consumer, subject, stream_seq, payload, error) VALUES ($1, $2, $3, $4, $5)
"""


class _Overtaken(Exception):
    """Another replica moved the position."""


@dataclass
class _Position:
    partition: int
    epoch: str
    seq: int


class PartitionConsumer(Generic[M]):
    """
    Consumes one stream for one service.

    Args:
        bus: Where the stream is.

        pool: The service's pool; also holds the offsets.

        stream: The stream, as contracts.streams declares it.

        durable: Name of this consumer in offsets, metrics and logs.

        subject_of: Partition number to subject.

        partitions: How many there are.

        payload_type: What a message holds.

        apply: Applies a batch within the given transaction and may return what to do after commit. It must
            be idempotent: the fence is its own. Invalid raised for a single message sends it to the dead letters.
    """

    def __init__(
        self,
        bus: Bus,
        pool: asyncpg.Pool,
        *,
        stream: StreamSpec,
        durable: str,
        subject_of: Callable[[int], str],
        partitions: int,
        payload_type: type[M],
        apply: Apply[M],
    ) -> None:
        self._bus = bus
        self._pool = pool
        self._stream = stream
        self._name = durable
        self._subject_of = subject_of
        self._partitions = partitions
        self._type = payload_type
        self._apply = apply
        self._locks = PartitionLocks(pool, durable, partitions)

    async def run(self) -> None:
        """Serve the partitions this replica owns, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._locks.run())
            for partition in range(self._partitions):
                group.create_task(self._serve(partition))

    async def _serve(self, partition: int) -> None:
        while True:
            heed_cancellation()
            await self._locks.wait_for(partition)
            try:
                await self._follow(partition)
            except _Overtaken:
                log.info("partition_overtaken", consumer=self._name, partition=partition)
            except Unavailable as error:
                log.debug("consumer_waits", consumer=self._name, partition=partition, reason=error.public)
            except Exception as error:
                if not (is_transient(error) or isinstance(error, NatsError)):
                    raise
                log.info("consumer_waits", consumer=self._name, partition=partition, reason=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS * (1 + random.random()))  # noqa: S311 - jitter

    async def _follow(self, partition: int) -> None:
        state = await self._bus.ensure_stream(self._stream)
        position = await self._position(partition, state.created)
        if position.seq > state.last_seq:
            await self._begin_again(position)
        reader = StreamReader(
            self._bus, self._stream.name, self._subject_of(partition), after=position.seq, batch=BATCH
        )
        async with reader:
            while self._locks.owns(partition):
                heed_cancellation()
                batch = await reader.next_batch()
                if batch:
                    await self._apply_batch(position, batch)

    async def _position(self, partition: int, epoch: str) -> _Position:
        async with self._pool.acquire() as connection:
            await connection.execute(_BEGIN, self._name, partition, epoch)
            seq: int = await connection.fetchval(_READ, self._name, partition, epoch)
        return _Position(partition, epoch, seq)

    async def _begin_again(self, position: _Position) -> None:
        """
        Read a stream from its first message that ends before the position: NATS was restored from older data.

        What follows its end gets numbers we have seen before, under which it would be skipped. What was applied
        already comes again, and the fences of its effects ignore it.
        """
        # Asked again: between the two looks another replica may have applied what had just been said.
        state = await self._bus.ensure_stream(self._stream)
        if state.created != position.epoch:
            raise Unavailable("the stream was made anew")
        if position.seq <= state.last_seq:
            return
        log.warning(
            "stream_lost_its_tail",
            stream=self._stream.name,
            consumer=self._name,
            partition=position.partition,
            had=position.seq,
            has=state.last_seq,
        )
        moved = await self._pool.execute(_BEGIN_AGAIN, self._name, position.partition, position.epoch, position.seq)
        if moved != "UPDATE 1":
            raise _Overtaken
        position.seq = 0

    async def _apply_batch(self, position: _Position, batch: Sequence[Pulled]) -> None:
        start = time.perf_counter()
        try:
            await self._commit(position, batch)
        except _Overtaken:
            raise
        except Exception as error:
            if is_transient(error) or isinstance(error, Unavailable):
                raise
            if len(batch) == 1:
                await self._insist(position, batch[0], error)
            else:
                for message in batch:
                    await self._apply_batch(position, [message])
                return
        metrics.CONSUMED.labels(self._name, "applied").inc(len(batch))
        metrics.CONSUME_SECONDS.labels(self._name).observe(time.perf_counter() - start)
        metrics.CONSUMER_PENDING.labels(self._name).set(batch[-1].pending)
        metrics.CONSUMER_LAG_SECONDS.labels(self._name).set(max(0.0, time.time() - batch[-1].stored_at))

    async def _commit(self, position: _Position, batch: Sequence[Pulled]) -> None:
        payloads = [self._decode(message) for message in batch]
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                after_commit = await self._apply(connection, payloads)
                await self._move(connection, position, batch[-1].seq)
        position.seq = batch[-1].seq
        if after_commit is not None:
            await self._follow_up(after_commit)

    async def _insist(self, position: _Position, message: Pulled, first: Exception) -> None:
        """Try one message a few more times, then put it aside and go on."""
        error = first
        for pause in () if isinstance(first, Invalid) else TRY_AGAIN_SECONDS:
            await asyncio.sleep(pause)
            try:
                await self._commit(position, [message])
            except _Overtaken:
                raise
            except Exception as again:
                if is_transient(again) or isinstance(again, Unavailable):
                    raise
                error = again
            else:
                return
        log.error("message_put_aside", consumer=self._name, subject=message.subject, seq=message.seq, exc_info=error)
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                values = (self._name, message.subject, message.seq, message.payload, _text_of(error))
                await connection.execute(_BURY, *values)
                await self._move(connection, position, message.seq)
        position.seq = message.seq
        metrics.DEAD_LETTERS.labels(self._name).inc()

    async def _move(self, connection: Connection, position: _Position, seq: int) -> None:
        moved = await connection.execute(_MOVE, self._name, position.partition, position.epoch, position.seq, seq)
        if moved != "UPDATE 1":
            raise _Overtaken

    async def _follow_up(self, after_commit: AfterCommit) -> None:
        try:
            await after_commit()
        except ServiceError as error:
            log.warning("after_commit_failed", consumer=self._name, error=error.public)
        except Exception as error:
            if not (is_transient(error) or isinstance(error, NatsError)):
                log.exception("after_commit_failed", consumer=self._name)

    def _decode(self, message: Pulled) -> M:
        try:
            return self._type.FromString(message.payload)
        except DecodeError as error:
            raise Invalid(f"not a {self._type.DESCRIPTOR.full_name}") from error


def _text_of(error: Exception) -> str:
    """Say what was wrong in words the database takes: no NUL, nothing that is no Unicode, no novel."""
    text = error.public if isinstance(error, ServiceError) else f"{type(error).__name__}: {error}"
    return text[:MAX_ERROR_CHARACTERS].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
