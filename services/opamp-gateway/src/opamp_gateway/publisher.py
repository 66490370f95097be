"""
Facts on their way to the bus: in batches, in order per agent, kept while the bus is away.

One batch per partition is under way at a time and the next one gathers meanwhile; so a lone fact leaves at
once, a burst fills batches, and no fact can overtake another of its agent. A batch whose acknowledgement is
lost is said again: the fence (epoch, sequence) makes that harmless.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from contracts.ids import format_uid
from contracts.subjects import partition_of
from opamp_gateway import facts as kinds
from opamp_gateway import metrics
from opamp_gateway.errors import BatchTooLarge
from servicekit.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opamp_gateway.facts import Fact, Speaker
    from servicekit.clock import Clock

log = structlog.get_logger()

_LINGER_SECONDS = 0.01
_BUSY_SECONDS = 0.05
"""A partition that published this recently lingers, so that a steady flow makes batches."""

_COMPACT_AT = 64
_FACT_BYTES = 64
"""What a fact weighs beside its body."""

_HELD_LIMIT = 32
_STORED = metrics.FACT_BATCHES.labels("stored")
_BY_KIND = {kind: metrics.FACTS.labels(name) for kind, name in kinds.NAMES.items()}


class FactSink(Protocol):
    """Where batches go."""

    async def publish(self, partition: int, payload: bytes) -> None:
        """Return once stored; raise BatchTooLarge when it never will be, another ServiceError when not now."""
        ...


class Publisher:
    """
    Holds facts until they are stored on the bus.

    Args:
        sink: Where batches go.

        gateway_id: Says who speaks.

        partitions: How many the stream has.

        on_stored: Told of facts once they are stored.

        spool_facts: How many facts may wait before the gateway refuses new connects.

        spool_bytes: The same in bytes.
    """

    def __init__(
        self,
        sink: FactSink,
        gateway_id: str,
        clock: Clock,
        *,
        partitions: int = 16,
        max_batch: int = 256,
        max_batch_bytes: int = 512 * 1024,
        spool_facts: int = 200_000,
        spool_bytes: int = 256 * 1024 * 1024,
        on_stored: Callable[[list[Fact]], None] = lambda _: None,
    ) -> None:
        self._sink = sink
        self._gateway_id = gateway_id
        self._clock = clock
        self._partitions = [_Partition() for _ in range(partitions)]
        self._max_batch = max_batch
        self._max_batch_bytes = max_batch_bytes
        self._spool_facts = spool_facts
        self._spool_bytes = spool_bytes
        self._on_stored = on_stored
        self.waiting = 0
        self.waiting_bytes = 0

    @property
    def full(self) -> bool:
        """Say whether so much waits that nobody new should come in."""
        return self.waiting >= self._spool_facts or self.waiting_bytes >= self._spool_bytes

    def add(self, facts: Iterable[Fact]) -> None:
        """Take facts of one session, in order; they wait for its epoch if it has none yet."""
        facts = list(facts)
        if not facts:
            return
        self._count(facts, 1)
        session = facts[0].session
        if session.epoch:
            self._queue(session, facts)
            return
        session.held = [*(session.held or ()), *facts]
        if len(session.held) > _HELD_LIMIT:
            session.held = self._newest(session.held)

    def release(self, session: Speaker) -> None:
        """Let go of the facts of a session that has its epoch now."""
        held, session.held = session.held, None
        if held:
            self._queue(session, held)

    def discard(self, session: Speaker) -> None:
        """Forget the facts of a session that ended before it got an epoch: it leaves no trace."""
        held, session.held = session.held, None
        self._count(held or [], -1)

    def pending(self) -> list[Fact]:
        """List what has its epoch and waits to be published, partition by partition."""
        return [fact for partition in self._partitions for fact in partition.facts]

    async def run(self, partition: int) -> None:
        """Publish one partition's facts for ever."""
        mine = self._partitions[partition]
        backoff = 0.0
        last = 0.0
        while True:
            await mine.wake.wait()
            if len(mine.facts) < self._max_batch and self._clock.monotonic() - last < _BUSY_SECONDS:
                await self._clock.sleep(_LINGER_SECONDS)
            if not mine.facts:
                mine.wake.clear()
                continue
            batch, payload = self._take(mine)
            try:
                await self._sink.publish(partition, payload)
            except BatchTooLarge as error:
                self._never(mine, batch, error)
                continue
            except ServiceError as error:
                metrics.FACT_BATCHES.labels("failed").inc()
                mine.facts[:0] = batch
                mine.stuck = True
                if not backoff:
                    log.warning("facts_not_published", partition=partition, error=error.public)
                backoff = min(1.0, backoff * 2 or 0.1)
                await self._clock.sleep(backoff)
                continue
            except asyncio.CancelledError:
                mine.facts[:0] = batch
                raise
            backoff = 0.0
            mine.stuck = mine.under_way = False
            self._stored(batch)
            last = self._clock.monotonic()
            if not mine.facts:
                mine.wake.clear()

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing waits for publication, at most *seconds*; say whether that was reached."""
        deadline = self._clock.monotonic() + seconds
        while any(partition.facts or partition.under_way for partition in self._partitions):
            if self._clock.monotonic() >= deadline:
                return False
            await self._clock.sleep(0.01)
        return True

    def _queue(self, session: Speaker, facts: list[Fact]) -> None:
        mine = self._partitions[partition_of(session.uid, len(self._partitions))]
        mine.facts += facts
        if mine.stuck and len(mine.facts) >= mine.compact_at:
            mine.facts = self._newest(mine.facts)
            mine.compact_at = max(_COMPACT_AT, 2 * len(mine.facts))
        mine.wake.set()

    def _newest(self, facts: list[Fact]) -> list[Fact]:
        """Keep the newest fact per session, kind and variant, in order."""
        seen: set[tuple[int, int, int]] = set()
        kept: list[Fact] = []
        dropped: list[Fact] = []
        for fact in reversed(facts):
            key = (id(fact.session), fact.kind, fact.variant)
            if key in seen:
                dropped.append(fact)
                continue
            seen.add(key)
            kept.append(fact)
        self._count(dropped, -1)
        kept.reverse()
        return kept

    def _take(self, mine: _Partition) -> tuple[list[Fact], bytes]:
        """Take the next batch off the front and serialise it."""
        encoded: list[bytes] = []
        size = 0
        most = 1 if mine.singly else self._max_batch
        mine.singly -= mine.singly > 0
        for fact in mine.facts[:most]:
            body = fact.to_bytes()
            size += len(body)
            if encoded and size > self._max_batch_bytes:
                break
            encoded.append(body)
        batch = mine.facts[: len(encoded)]
        del mine.facts[: len(encoded)]
        mine.under_way = True
        return batch, kinds.batch(self._gateway_id, encoded)

    def _never(self, mine: _Partition, batch: list[Fact], error: BatchTooLarge) -> None:
        """Find the fact that cannot be sent and drop it: it must not stop everybody behind it for ever."""
        metrics.FACT_BATCHES.labels("too large").inc()
        mine.under_way = False
        if len(batch) > 1:
            mine.facts[:0] = batch
            mine.singly = len(batch)
            return
        fact = batch[0]
        self._count(batch, -1)
        metrics.FACTS_DROPPED.labels(kinds.NAMES[fact.kind]).inc()
        log.error(
            "fact_dropped",
            agent_uid=format_uid(fact.session.uid),
            kind=kinds.NAMES[fact.kind],
            bytes=len(fact.body),
            error=error.public,
        )

    def _stored(self, batch: list[Fact]) -> None:
        _STORED.inc()
        counts: dict[int, int] = {}
        self._count(batch, -1)
        for fact in batch:
            counts[fact.kind] = counts.get(fact.kind, 0) + 1
        for kind, count in counts.items():
            _BY_KIND[kind].inc(count)
        seconds = self._clock.now().timestamp() - batch[0].time_unix_nano / 1e9
        metrics.FACT_SECONDS.observe(max(0.0, seconds))
        self._on_stored(batch)

    def _count(self, facts: list[Fact], sign: int) -> None:
        size = _FACT_BYTES * len(facts)
        for fact in facts:
            size += len(fact.body)
        self.waiting += sign * len(facts)
        self.waiting_bytes += sign * size


class _Partition:
    """The queue of one partition."""

    __slots__ = ("compact_at", "facts", "singly", "stuck", "under_way", "wake")

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.wake = asyncio.Event()
        self.stuck = False
        self.under_way = False
        self.singly = 0
        """How many facts are sent one by one, to find the one the bus does not take."""

        self.compact_at = _COMPACT_AT
