"""
What is known of agents, shared by all gateways: one Redis hash per agent.

A cache and nothing else: every Redis error counts as a miss and the agents never notice. A script refuses
writes of a lower (epoch, turn), so a slow gateway cannot undo what a faster one wrote. Reads and writes are
gathered and go in pipelines.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from contracts import registry as names
from opamp_gateway import metrics
from opamp_gateway.entries import (
    CAPABILITIES,
    CREDENTIAL,
    CUSTOMS,
    GATEWAY,
    REPORTED,
    SEQUENCE_NUM,
    SLOT_FIELDS,
    TRANSPORT,
    WRITE,
    Update,
    lines,
    memory_of,
    newest,
    number_of,
)
from opamp_gateway.messages import CUSTOM, DIGEST, STATUS
from opamp_gateway.session import Memory
from servicekit.cache import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from opamp_gateway.facts import Fact, Speaker
    from opamp_gateway.session import Session
    from servicekit.clock import Clock

log = structlog.get_logger()

_AT_ONCE = 200
_GATHER_SECONDS = 0.01
"""Writes wait this long, so that all that is new of an agent goes in one."""

_READ_SECONDS = 0.5
"""An agent waits this long for what is remembered of it; a miss is cheaper."""

_AWAY_SECONDS = 1.0
"""After a failure Redis is left alone this long, and everything is a miss at once."""

_QUEUE_LIMIT = 100_000


class Book(Protocol):
    """What the rest of the gateway needs of the registry."""

    shared: bool
    """Other gateways write into it, too: what is not there now may be in a moment."""

    def look_up(self, tenant_id: str, uid: bytes, done: Callable[[Memory | None], None]) -> None:
        """Tell *done* what is known; None = the registry could not be asked."""
        ...

    def claim(self, session: Session) -> None:
        """Write that this gateway holds *session*'s agent."""
        ...

    def note(self, session: Session) -> None:
        """Write what changes with a poll: sequence_num, capabilities, reported hash."""
        ...

    def learn(self, facts: list[Fact]) -> None:
        """Write the digests of facts that are stored now."""
        ...

    def forget(self, session: Session) -> None:
        """Drop the digests: what they stand for may be lost."""
        ...

    def release(self, session: Session) -> None:
        """Write that *session* is over and how far its agent counted."""
        ...


class OnRefused(Protocol):
    """Hears of a session that somebody newer has superseded elsewhere."""

    def __call__(self, tenant_id: str, uid: bytes, epoch: int, turn: int, /, *, claim: bool) -> None:
        """Take note; *claim* says whether it was its claim that was refused."""
        ...


class NoRegistry:
    """A registry that knows nothing; for benchmarks and a gateway on its own."""

    shared = False

    def look_up(self, tenant_id: str, uid: bytes, done: Callable[[Memory | None], None]) -> None:  # noqa: ARG002
        """Know nothing."""
        done(Memory())

    def claim(self, session: Session) -> None:
        """Do nothing."""

    def note(self, session: Session) -> None:
        """Do nothing."""

    def learn(self, facts: list[Fact]) -> None:
        """Do nothing."""

    def forget(self, session: Session) -> None:
        """Do nothing."""

    def release(self, session: Session) -> None:
        """Do nothing."""


class Registry:
    """
    The Redis registry of one gateway.

    Args:
        redis: Answers in bytes.

        gateway_id: Written as the owner.

        on_lost: Called when this gateway's lease vanished before its time: Redis was emptied.

        on_refused: Told tenant, uid, epoch and turn of a session that somebody newer has superseded elsewhere, and
            whether it was its claim that was refused.

        on_displaced: Told tenant, uid and epoch of a session of ours, and gateway and epoch of the socket whose
            entry it took over.
    """

    shared = True

    def __init__(
        self,
        redis: Redis,
        gateway_id: str,
        clock: Clock,
        *,
        lease_seconds: int,
        on_lost: Callable[[], None],
        on_refused: OnRefused = lambda *_, claim: None,  # noqa: ARG005 - nobody listens
        on_displaced: Callable[[str, bytes, int, str, int], None] = lambda *_: None,
    ) -> None:
        self._redis = redis
        self._gateway_id = gateway_id
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._on_lost = on_lost
        self._on_refused = on_refused
        self._on_displaced = on_displaced
        self._script = redis.register_script(WRITE)
        self._asked: list[tuple[str, Callable[[Memory | None], None]]] = []
        self._updates: dict[str, Update] = {}
        self._under_way: dict[str, Update] = {}
        """Updates Redis has not acknowledged yet."""

        self._ask_wake = asyncio.Event()
        self._write_wake = asyncio.Event()
        self._leased_at = -1e9
        self._away_until = -1e9

    def look_up(self, tenant_id: str, uid: bytes, done: Callable[[Memory | None], None]) -> None:
        """Tell *done* within about a second; None = Redis could not be asked."""
        self._asked.append((names.entry_key(tenant_id, uid), done))
        self._ask_wake.set()

    def claim(self, session: Session) -> None:
        """Write that this gateway holds *session*'s agent."""
        update = self._update(session)
        if update is not None:
            update.release = False
            update.fields[GATEWAY] = self._gateway_id.encode()
            update.fields[TRANSPORT] = b"%d" % session.transport
            update.fields[CREDENTIAL] = session.credential_id.encode()
            self._note(update, session)

    def note(self, session: Session) -> None:
        """Write what changes with a poll."""
        update = self._update(session)
        if update is not None:
            self._note(update, session)

    def learn(self, facts: list[Fact]) -> None:
        """Write the digests of facts that are stored now."""
        session: Speaker | None = None
        update: Update | None = None
        for fact in facts:
            if fact.slots:
                # An agent's facts mostly follow each other: one search for all of them.
                if fact.session is not session:
                    session = fact.session
                    update = self._update(session)
                if update is not None:
                    for slot, digest in fact.slots:
                        update.fields[SLOT_FIELDS[slot]] = digest
                        if slot == CUSTOM:
                            update.fields[CUSTOMS] = lines(fact.session.customs)
                        elif slot == STATUS:
                            update.fields[REPORTED] = fact.session.reported_hash

    def forget(self, session: Session) -> None:
        """Drop the digests: an empty one is read as unknown."""
        update = self._update(session)
        if update is not None:
            update.fields.update(dict.fromkeys((*SLOT_FIELDS, CUSTOMS), b""))

    def announce(self, session: Session, *, digests: bool) -> None:
        """Write the whole entry again, after the registry was lost."""
        self.claim(session)
        update = self._update(session)
        if update is not None and digests:
            for slot, name in enumerate(SLOT_FIELDS):
                digest = session.digests[slot * DIGEST : (slot + 1) * DIGEST]
                if any(digest):
                    update.fields[name] = digest
            update.fields[CUSTOMS] = lines(session.customs)

    def release(self, session: Session) -> None:
        """Write that *session* is over and how far its agent counted."""
        update = self._update(session)
        if update is not None:
            self._note(update, session)
            update.fields.pop(GATEWAY, None)
            update.release = True

    async def alive(self, gateway_id: str) -> bool:
        """Say whether another gateway's lease lives; unknown counts as no."""
        try:
            return bool(await self._redis.exists(names.lease_key(gateway_id)))
        except CacheError:
            return False

    async def renew_lease(self) -> None:
        """Renew this gateway's lease and notice when Redis forgot it."""
        key = names.lease_key(self._gateway_id)
        now = self._clock.monotonic()
        try:
            known = await self._redis.set(key, b"1", ex=self._lease_seconds, get=True)
        except CacheError as error:
            metrics.REGISTRY_ERRORS.labels("lease").inc()
            log.debug("registry_away", error=str(error))
            return
        lost = known is None and now - self._leased_at < self._lease_seconds - 1
        self._leased_at = now
        if lost:
            log.warning("registry_lost")
            self._on_lost()

    async def drop_lease(self) -> None:
        """End this gateway's lease at once."""
        try:
            await self._redis.delete(names.lease_key(self._gateway_id))
        except CacheError as error:
            log.debug("registry_away", error=str(error))

    async def ping(self) -> None:
        """Raise unless Redis answers; for health."""
        await self._redis.ping()

    async def run_reads(self) -> None:
        """Answer look-ups for ever, many per round trip."""
        while True:
            await self._ask_wake.wait()
            self._ask_wake.clear()
            while self._asked:
                some, self._asked = self._asked[:_AT_ONCE], self._asked[_AT_ONCE:]
                for (_, done), memory in zip(some, await self._read([key for key, _ in some]), strict=True):
                    try:
                        done(memory)
                    except Exception:
                        # Whatever one agent's first message sets off, everybody else's is still to be looked up.
                        log.exception("look_up_not_taken")

    async def run_writes(self) -> None:
        """Write updates for ever, many per round trip; what fails is not repeated: it is a cache."""
        while True:
            await self._write_wake.wait()
            await self._clock.sleep(_GATHER_SECONDS)
            self._write_wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what is waiting."""
        while self._updates:
            keys = list(self._updates)[:_AT_ONCE]
            updates = [(key, self._updates.pop(key)) for key in keys]
            self._under_way.update(updates)
            try:
                await self._write(updates)
            finally:
                for key, update in updates:
                    if self._under_way.get(key) is update:
                        del self._under_way[key]

    async def _read(self, keys: list[str]) -> list[Memory | None]:
        if self._away:
            return [None] * len(keys)
        # What is on its way to Redis while it is asked may or may not be in its answer.
        meanwhile = {key: self._under_way[key] for key in keys if key in self._under_way}
        try:
            async with asyncio.timeout(_READ_SECONDS), self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.hgetall(key)  # type: ignore[unused-awaitable] # a pipeline's call is no awaitable
                found = await pipe.execute()
        except CacheError as error:
            self._missed("read", error)
            return [None] * len(keys)
        return [
            memory_of(newest(entry, meanwhile.get(key), self._under_way.get(key), self._updates.get(key)))
            for key, entry in zip(keys, found, strict=True)
        ]

    async def _write(self, updates: list[tuple[str, Update]]) -> None:
        if self._away:
            return
        arguments: list[bytes | int] = [names.ENTRY_TTL_SECONDS, *(update.pack() for _, update in updates)]
        try:
            refused, displaced = await self._script(keys=[key for key, _ in updates], args=arguments)
        except CacheError as error:
            self._missed("write", error)
            return
        for place in refused:
            update = updates[place - 1][1]
            self._on_refused(update.tenant_id, update.uid, update.epoch, update.turn, claim=GATEWAY in update.fields)
        for place, gateway_id, epoch in displaced:
            update = updates[place - 1][1]
            before = gateway_id.decode(errors="replace")
            self._on_displaced(update.tenant_id, update.uid, update.epoch, before, number_of(epoch))

    @property
    def _away(self) -> bool:
        return self._clock.monotonic() < self._away_until

    def _missed(self, call: str, error: BaseException) -> None:
        metrics.REGISTRY_ERRORS.labels(call).inc()
        log.debug("registry_away", call=call, error=str(error) or type(error).__name__)
        self._away_until = self._clock.monotonic() + _AWAY_SECONDS

    def _update(self, session: Speaker) -> Update | None:
        """Find what waits to be written for *session*'s agent; None when a newer session's does."""
        if not session.epoch or len(self._updates) >= _QUEUE_LIMIT:
            return None
        key = names.entry_key(session.tenant_id, session.uid)
        update = self._updates.get(key)
        mine = (session.epoch, session.turn)
        if update is None or (update.epoch, update.turn) < mine:
            fresh = Update(session)
            if update is not None:
                fresh.fields.update(update.fields)
            self._updates[key] = update = fresh
            self._write_wake.set()
        elif (update.epoch, update.turn) > mine:
            return None
        return update

    @staticmethod
    def _note(update: Update, session: Session) -> None:
        update.fields[SEQUENCE_NUM] = b"%d" % session.sequence_num
        update.fields[CAPABILITIES] = b"%d" % session.capabilities
        update.fields[REPORTED] = session.reported_hash


async def ask(book: Book, tenant_id: str, uid: bytes) -> Memory | None:
    """Look one agent up and wait for the answer; None = the registry could not be asked."""
    future: asyncio.Future[Memory | None] = asyncio.get_running_loop().create_future()

    def done(memory: Memory | None) -> None:
        if not future.done():
            future.set_result(memory)

    book.look_up(tenant_id, uid, done)
    return await future
