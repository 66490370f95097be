"""
Read a stream from a position, in order, as fast as batches can be taken.

Under it lies an ephemeral pull consumer without acknowledgements: the caller keeps the position. The client
library's fetch() waits for a batch to fill; this reader hands over whatever has come, and keeps requests open.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import orjson
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from servicekit.bus import Bus
from servicekit.errors import Unavailable

EXPIRES_SECONDS = 5.0
GRACE_SECONDS = 3.0
LOOK_SECONDS = 0.5
INACTIVE_SECONDS = 30.0
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Pulled:
    """One message with its place in the stream."""

    subject: str
    payload: bytes
    seq: int
    stored_at: float
    """Seconds since the Unix epoch, server clock."""

    pending: int
    """Messages still behind this one."""


class StreamReader:
    """
    Async context manager; next_batch() until it raises.

    Raises:
        Unavailable: The server went away, the consumer vanished or a message was missed: make a new reader from
            the last position applied.
    """

    def __init__(self, bus: Bus, stream: str, subject: str, *, after: int, batch: int) -> None:
        self._bus = bus
        self._stream = stream
        self._subject = subject
        self._after = after
        self._batch = batch
        self._generation = bus.generation
        self._wanted = 0
        self._consumer_seq = 0
        self._name = ""
        self._inbox = ""
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> Self:
        nc = self._bus.nc
        try:
            info = await self._bus.js.add_consumer(
                self._stream,
                ConsumerConfig(
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=self._after + 1,
                    ack_policy=AckPolicy.NONE,
                    filter_subject=self._subject,
                    inactive_threshold=INACTIVE_SECONDS,
                    mem_storage=True,
                    num_replicas=1,
                ),
            )
            self._name = info.name
            self._inbox = nc.new_inbox()
            self._subscription = await nc.subscribe(self._inbox)
        except (NatsError, TimeoutError, OSError) as error:
            raise Unavailable("JetStream does not answer") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(NatsError, TimeoutError, OSError):
            if self._subscription is not None:
                await self._subscription.unsubscribe()
            if self._bus.connected:
                await asyncio.wait_for(self._bus.js.delete_consumer(self._stream, self._name), 1)

    async def next_batch(self) -> list[Pulled]:
        """Return what has come, oldest first, at least one; an empty list after EXPIRES_SECONDS of silence."""
        if self._subscription is None:
            message = "enter the reader first"
            raise RuntimeError(message)
        if self._wanted <= 0:
            await self._request()
        first = await self._first(self._subscription)
        batch: list[Pulled] = []
        self._take(first, batch)
        while self._subscription.pending_msgs and len(batch) < self._batch:
            self._take(await self._subscription.next_msg(timeout=1), batch)
        return batch

    async def _first(self, subscription: Subscription) -> Msg:
        """Wait for anything, looking now and then whether the connection is still the one we began on."""
        deadline = asyncio.get_running_loop().time() + EXPIRES_SECONDS + GRACE_SECONDS
        while True:
            try:
                return await subscription.next_msg(timeout=LOOK_SECONDS)
            except (NatsError, TimeoutError, OSError) as error:
                if self._bus.generation != self._generation:
                    raise Unavailable("the bus was reconnected") from error
                if asyncio.get_running_loop().time() > deadline:
                    raise Unavailable("the stream is silent") from error

    async def _request(self) -> None:
        request = {"batch": self._batch, "expires": int(EXPIRES_SECONDS * _NANOSECONDS)}
        if not self._bus.connected:
            raise Unavailable("the bus is not reachable")
        try:
            await self._bus.nc.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}",
                orjson.dumps(request),
                reply=self._inbox,
            )
        except (NatsError, OSError) as error:
            raise Unavailable("the bus is not reachable") from error
        self._wanted = self._batch

    def _take(self, message: Msg, batch: list[Pulled]) -> None:
        status = (message.headers or {}).get("Status")
        if status is not None and not message.data:
            if status in {"404", "408"}:
                self._wanted = 0  # this request is over; the next call makes another
                return
            if status == "100":
                return
            raise Unavailable(f"JetStream ended the pull with status {status}")
        meta = message.metadata
        self._consumer_seq += 1
        if meta.sequence.consumer != self._consumer_seq:
            raise Unavailable("a message was missed")
        self._wanted -= 1
        batch.append(
            Pulled(
                message.subject,
                message.data,
                meta.sequence.stream,
                meta.timestamp.timestamp(),
                meta.num_pending,
            )
        )
