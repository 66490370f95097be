"""
The bus: publish, ask, answer, listen; streams and objects. NATS under it, errors of our kinds above it.

A lost connection is normal: the client reconnects for ever, publishing and asking raise Unavailable
meanwhile, subscriptions and services come back by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import nats
import nats.js.errors
import structlog
from google.protobuf.message import DecodeError, Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, MaxPayloadError, NoRespondersError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.object_store import ObjectStore
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import Service, ServiceConfig

from servicekit import metrics
from servicekit.errors import Invalid, Kind, ServiceError, Unavailable
from servicekit.rpc import decode_error, encode_error

log = structlog.get_logger()

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
Q_co = TypeVar("Q_co", bound=Message, covariant=True)
R_co = TypeVar("R_co", bound=Message, covariant=True)

TIMEOUT_HEADER = "Fleet-Timeout-Ms"
DEADLINE_HEADER = "Fleet-Deadline-Unix-Ms"
CLOCK_SKEW_SECONDS = 2.0
"""How far clocks may differ before a question counts as too old to be answered."""

REQUEST_ID_HEADER = "Fleet-Request-Id"
CONNECT_TIMEOUT_SECONDS = 2
MAX_CONCURRENT_ANSWERS = 64
MAX_ANSWER_SECONDS = 60.0


class NoResponders(Unavailable):
    """Nobody listens on that subject just now."""

    code = "no_responders"


class Method(Protocol[Q_co, R_co]):
    """A question as contracts.subjects names it."""

    @property
    def subject(self) -> str:
        """Where it is asked."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def request_type(self) -> type[Q_co]:
        """What is asked."""
        ...

    @property
    def response_type(self) -> type[R_co]:
        """What is answered."""
        ...


class StreamSpec(Protocol):
    """A stream as contracts.streams declares it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def subjects(self) -> tuple[str, ...]:
        """What it carries."""
        ...

    @property
    def max_age(self) -> timedelta:
        """How long it keeps a message."""
        ...

    @property
    def max_bytes(self) -> int:
        """How much it keeps."""
        ...

    @property
    def duplicate_window(self) -> timedelta:
        """How long it knows message ids."""
        ...


@dataclass(frozen=True)
class StreamState:
    """What a stream says of itself; `created` changes when it was lost and made again."""

    created: str
    last_seq: int


@dataclass(frozen=True)
class BusMessage:
    """One message from a subscription."""

    subject: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    reply_to: str = ""


MessageHandler = Callable[[BusMessage], Awaitable[None]]
Answer = Callable[[Any], Awaitable[Message]]


class Bus:
    """One connection to NATS. Make it with connect(); close() drains it."""

    def __init__(self, nc: Client) -> None:
        self.nc = nc
        self.js: JetStreamContext = nc.jetstream(timeout=5.0)
        self.generation = 0
        """Grows with every reconnect: what lived on the old connection may be gone."""
        self._since: float | None = time.monotonic()
        self._on_reconnect: list[Callable[[], Awaitable[None]]] = []
        self._services: list[Service] = []
        self._answers = asyncio.Semaphore(MAX_CONCURRENT_ANSWERS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._buckets: dict[str, ObjectStore] = {}

    @classmethod
    async def connect(cls, url: str, *, name: str) -> Bus:
        """
        Connect, trying until a server answers; cancel to give up.

        Args:
            url: One server or several separated by commas, credentials inside.

            name: How this client shows in the server's connection list.
        """
        bus: Bus | None = None

        async def lost() -> None:
            metrics.BUS_CONNECTED.set(0)
            if bus is not None:
                bus._since = None
            log.warning("bus_disconnected")

        async def back() -> None:
            metrics.BUS_CONNECTED.set(1)
            metrics.BUS_RECONNECTS.inc()
            if bus is not None:
                await bus._reconnected()

        async def failed(error: Exception) -> None:
            log.debug("bus_error", error=str(error))

        while True:
            try:
                nc = await nats.connect(
                    url.split(","),
                    name=name,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.25,
                    connect_timeout=CONNECT_TIMEOUT_SECONDS,
                    ping_interval=10,
                    max_outstanding_pings=2,
                    pending_size=16 * 1024 * 1024,
                    disconnected_cb=lost,
                    reconnected_cb=back,
                    error_cb=failed,
                    allow_reconnect=True,
                )
            except (OSError, NatsError, TimeoutError) as error:
                log.warning("bus_not_reachable", error=str(error) or type(error).__name__)
                await asyncio.sleep(0.5)
                continue
            bus = cls(nc)
            metrics.BUS_CONNECTED.set(1)
            return bus

    @property
    def connected(self) -> bool:
        """Whether a server is there just now."""
        return bool(self.nc.is_connected)

    def connected_seconds(self) -> float:
        """Tell how long the connection has held without interruption; 0 when there is none."""
        if self._since is None or not self.connected:
            return 0.0
        return time.monotonic() - self._since

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run *callback* after every reconnect; what it raises is logged and goes no further."""
        self._on_reconnect.append(callback)

    async def ping(self) -> None:
        """Raise unless a server answers; for health."""
        if not self.connected:
            raise Unavailable("not connected to NATS")
        await self.nc.flush(timeout=1)

    async def close(self) -> None:
        """Stop answering, finish what is under way, and leave."""
        for service in self._services:
            with contextlib.suppress(NatsError, TimeoutError):
                await asyncio.wait_for(service.stop(), 2)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        with contextlib.suppress(NatsError, TimeoutError, OSError):
            if self.connected:
                await asyncio.wait_for(self.nc.drain(), 5)
            else:
                await asyncio.wait_for(self.nc.close(), 2)

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> None:
        """
        Say something to whoever listens; at most once.

        Raises:
            Unavailable: Not connected; nothing was queued.
        """
        if not self.connected:
            raise Unavailable("the bus is not reachable")
        try:
            await self.nc.publish(subject, payload, headers=headers)
        except (NatsError, OSError) as error:
            raise Unavailable("the bus is not reachable") from error

    async def request(
        self, subject: str, payload: bytes, *, timeout_seconds: float, headers: dict[str, str] | None = None
    ) -> bytes:
        """
        Ask and return the raw answer.

        Raises:
            NoResponders: Nobody listens there.

            Unavailable: No answer in time, or not connected.
        """
        return (await self._ask(subject, payload, timeout_seconds, headers)).data

    async def call(
        self,
        method: Method[Q, R],
        request: Q,
        *,
        timeout_seconds: float = 5.0,
        headers: dict[str, str] | None = None,
    ) -> R:
        """
        Ask another service.

        Raises:
            ServiceError: What the other side raised, same kind, code and sentence.

            Unavailable: Nobody answered in time, or not in words we know.
        """
        all_headers = {
            TIMEOUT_HEADER: str(int(timeout_seconds * 1000)),
            DEADLINE_HEADER: str(int((time.time() + timeout_seconds) * 1000)),
            **(headers or {}),
        }
        message = await self._ask(method.subject, request.SerializeToString(), timeout_seconds, all_headers)
        try:
            error = decode_error(message.headers)
        except (ValueError, TypeError) as undecodable:
            raise Unavailable("the answer cannot be read", retry_after_seconds=1) from undecodable
        if error is not None:
            raise error
        try:
            return method.response_type.FromString(message.data)
        except DecodeError as undecodable:
            raise Unavailable("the answer cannot be read", retry_after_seconds=1) from undecodable

    async def subscribe(self, subject: str, handler: MessageHandler, *, queue: str = "") -> None:
        """Hear *subject*, one message after another; what *handler* raises is logged and goes no further."""

        async def on_message(message: Msg) -> None:
            heard = BusMessage(message.subject, message.data, message.headers or {}, message.reply)
            try:
                await handler(heard)
            except ServiceError as error:
                log.warning("bus_message_refused", subject=message.subject, error=error.public)
            except Exception:
                log.exception("bus_message_failed", subject=message.subject)

        await self.nc.subscribe(subject, queue=queue, cb=on_message)

    async def serve(self, service: str, version: str, handlers: Mapping[Any, Answer]) -> None:
        """
        Answer questions as a NATS micro service; replicas share them.

        Args:
            service: Name in NATS service discovery, also the queue group.

            version: Semantic version.

            handlers: Method to async function taking the decoded request and returning the response.
                What it raises travels back as an error of the same kind.
        """
        micro = await add_service(self.nc, ServiceConfig(name=service, version=version, queue_group=service))
        self._services.append(micro)
        for method, handler in handlers.items():
            await micro.add_endpoint(
                name=method.name.replace("_", "-"),
                subject=method.subject,
                handler=self._answering(method, handler),
            )
        await self.nc.flush(timeout=CONNECT_TIMEOUT_SECONDS)

    async def ensure_stream(self, spec: StreamSpec, replicas: int = 1) -> StreamState:
        """
        Make the stream if it is not there; leave one that is, but for giving it more copies and more subjects.

        Whoever comes first makes it, so the service that knows how many copies it shall have may come later; and
        a stream that an older release made learns what it carries since. Subjects are never taken away here.

        Raises:
            Unavailable: JetStream does not answer.
        """
        try:
            try:
                info = await self.js.stream_info(spec.name)
            except nats.js.errors.NotFoundError:
                info = await self.js.add_stream(
                    StreamConfig(
                        name=spec.name,
                        subjects=list(spec.subjects),
                        retention=RetentionPolicy.LIMITS,
                        storage=StorageType.FILE,
                        discard=DiscardPolicy.OLD,
                        max_age=spec.max_age.total_seconds(),
                        max_bytes=spec.max_bytes,
                        duplicate_window=spec.duplicate_window.total_seconds(),
                        num_replicas=replicas,
                    )
                )
            if (info.config.num_replicas or 1) < replicas:
                info = await self.js.update_stream(info.config, num_replicas=replicas)
            carried = info.config.subjects or []
            missing = [subject for subject in spec.subjects if subject not in carried]
            if missing:
                info = await self.js.update_stream(info.config, subjects=[*carried, *missing])
        except (NatsError, TimeoutError, OSError) as error:
            raise Unavailable("JetStream does not answer") from error
        return StreamState(str(info.created), info.state.last_seq)

    async def put_object(self, bucket: str, name: str, data: bytes) -> None:
        """
        Store *data* under *name* in an object store bucket, making the bucket if needed; repeatable.

        Raises:
            Unavailable: JetStream does not answer.
        """
        try:
            store = await self._bucket(bucket)
            await store.put(name, data)
        except (NatsError, TimeoutError, OSError) as error:
            self._buckets.pop(bucket, None)
            raise Unavailable("the content store does not answer") from error

    async def get_object(self, bucket: str, name: str) -> bytes | None:
        """
        Fetch an object; None when there is none.

        Raises:
            Unavailable: JetStream does not answer.
        """
        try:
            store = await self._bucket(bucket)
            found = await store.get(name)
        except (
            nats.js.errors.ObjectNotFoundError,
            nats.js.errors.ObjectDeletedError,
            nats.js.errors.NotFoundError,
        ):
            self._buckets.pop(bucket, None)
            return None
        except (NatsError, TimeoutError, OSError) as error:
            self._buckets.pop(bucket, None)
            raise Unavailable("the content store does not answer") from error
        return found.data

    async def _bucket(self, bucket: str) -> ObjectStore:
        if bucket not in self._buckets:
            try:
                self._buckets[bucket] = await self.js.object_store(bucket)
            except (nats.js.errors.BucketNotFoundError, nats.js.errors.NotFoundError):
                self._buckets[bucket] = await self.js.create_object_store(bucket)
        return self._buckets[bucket]

    async def _ask(self, subject: str, payload: bytes, timeout_seconds: float, headers: dict[str, str] | None) -> Msg:
        if not self.connected:
            raise Unavailable("the bus is not reachable", retry_after_seconds=1)
        try:
            return await self.nc.request(subject, payload, timeout=timeout_seconds, headers=headers)
        except NoRespondersError as error:
            service = subject.split(".")[3] if subject.count(".") > 3 else subject  # noqa: PLR2004 - fleet.v1.api.<service>
            raise NoResponders(f"{service} is not running just now", retry_after_seconds=1) from error
        except MaxPayloadError as error:
            raise Invalid("the message is too large for the bus") from error
        except (NatsError, TimeoutError, ConnectionClosedError, OSError) as error:
            raise Unavailable("no answer in time", retry_after_seconds=1) from error

    def _answering(self, method: Any, handler: Answer) -> Callable[[Request], Awaitable[None]]:
        async def answer(request: Request) -> None:
            # An endpoint delivers one message at a time: answer beside it, or one slow question holds all.
            await self._answers.acquire()
            task = asyncio.get_running_loop().create_task(self._answer(method, handler, request))
            self._tasks.add(task)
            task.add_done_callback(self._answered)

        return answer

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._answers.release()
        if not task.cancelled() and task.exception() is not None:
            log.error("bus_answer_lost", exc_info=task.exception())

    async def _answer(self, method: Any, handler: Answer, request: Request) -> None:
        start = time.perf_counter()
        outcome = "ok"
        sent_headers = request.headers or {}
        deadline = seconds_left(sent_headers, time.time())
        try:
            with structlog.contextvars.bound_contextvars(
                method=method.name, request_id=sent_headers.get(REQUEST_ID_HEADER, "")
            ):
                response, error = await _run(method, handler, request.data, deadline)
            if error is None:
                await request.respond(response)
            else:
                outcome = error.kind
                await request.respond_error(
                    "500",
                    error.public[:200].replace("\r", " ").replace("\n", " "),
                    headers=encode_error(error),
                )
        except MaxPayloadError:
            outcome = Kind.INVALID
            too_large = Invalid("the answer is too large for the bus; ask for a smaller page")
            await request.respond_error("500", too_large.public, headers=encode_error(too_large))
        except (NatsError, OSError):
            outcome = "unanswered"
        metrics.RPC_REQUESTS.labels(method.name, outcome).inc()
        metrics.RPC_SECONDS.labels(method.name).observe(time.perf_counter() - start)

    async def _reconnected(self) -> None:
        self._since = time.monotonic()
        self.generation += 1
        self._buckets.clear()
        log.info("bus_reconnected")
        for callback in self._on_reconnect:
            try:
                await callback()
            except ServiceError as error:
                log.warning("bus_reconnect_callback_failed", error=error.public)
            except Exception:
                log.exception("bus_reconnect_callback_failed")


async def _run(method: Any, handler: Answer, data: bytes, deadline: float) -> tuple[bytes, ServiceError | None]:
    """Decode, handle within the deadline, encode; a bug becomes an internal error whose detail stays in our log."""
    if deadline <= 0:
        # Nobody waits for the answer, and the caller was told that it failed: doing it now would surprise.
        return b"", Unavailable("the question came too late", retry_after_seconds=1)
    try:
        request = method.request_type.FromString(data)
        async with asyncio.timeout(deadline):
            return (await handler(request)).SerializeToString(), None
    except DecodeError:
        return b"", Invalid("the request cannot be decoded")
    except ServiceError as error:
        if error.kind is Kind.INTERNAL:
            log.exception("rpc_failed")
        return b"", error
    except TimeoutError:
        return b"", Unavailable("no answer in time", retry_after_seconds=1)
    except (OSError, ConnectionError) as error:
        log.warning("rpc_dependency_away", error=str(error))
        return b"", Unavailable("a part this needs is away; try again", retry_after_seconds=1)
    except Exception as error:
        if is_away(error):
            log.warning("rpc_dependency_away", error=str(error))
            return b"", Unavailable("a part this needs is away; try again", retry_after_seconds=1)
        log.exception("rpc_failed")
        return b"", ServiceError("something went wrong on our side; the log tells more")


def seconds_left(headers: Mapping[str, str], now: float) -> float:
    """
    Tell how long a question may still be worked on; 0 or less when its caller has given up.

    Args:
        headers: As the caller sent them; without them the default applies.

        now: Seconds since the Unix epoch.
    """
    try:
        timeout = min(float(headers.get(TIMEOUT_HEADER, "30000")) / 1000, MAX_ANSWER_SECONDS)
        deadline = headers.get(DEADLINE_HEADER)
        return timeout if deadline is None else min(timeout, float(deadline) / 1000 + CLOCK_SKEW_SECONDS - now)
    except ValueError:
        return MAX_ANSWER_SECONDS


AWAY_CHECKS: list[Callable[[BaseException], bool]] = []
"""Adapters add what tells 'my server is away' from a bug; servicekit.postgres adds its own."""


def is_away(error: BaseException) -> bool:
    """Say whether *error* means that a server we need is away."""
    return any(check(error) for check in AWAY_CHECKS)
