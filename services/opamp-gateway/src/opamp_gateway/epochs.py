"""
The numbers of connections: allocated for as many as wait right now, one request per few milliseconds.

Never reserved ahead: a reserved number would be older than a connection made elsewhere meanwhile. While
agent-state is away agents are answered all the same; only their facts wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from opamp_gateway import metrics
from servicekit.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opamp_gateway.session import Session
    from servicekit.clock import Clock

log = structlog.get_logger()

MAX_AT_ONCE = 10_000
_GATHER_SECONDS = 0.002


class EpochDesk:
    """
    Gives waiting sessions their epochs, in the order they came.

    Args:
        allocate: Asks agent-state for that many; returns the first of them. Raises ServiceError.

        on_epoch: Told of each session that got its epoch.

        on_late: Told of each session that ended before it got one.
    """

    def __init__(
        self,
        allocate: Callable[[int], Awaitable[int]],
        clock: Clock,
        *,
        on_epoch: Callable[[Session], None],
        on_late: Callable[[Session], None],
    ) -> None:
        self._allocate = allocate
        self._clock = clock
        self._on_epoch = on_epoch
        self._on_late = on_late
        self.works = False
        """The last question was answered: whoever waits has its number in a moment."""

        self._waiting: list[Session] = []
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, session: Session) -> None:
        """Put *session* in line."""
        self._waiting.append(session)
        self._wake.set()

    def take(self) -> list[Session]:
        """Take everybody out of the line."""
        waiting, self._waiting = self._waiting, []
        return waiting

    async def run(self) -> None:
        """Serve the line for ever."""
        backoff = 0.0
        while True:
            await self._wake.wait()
            if not backoff:
                await self._clock.sleep(_GATHER_SECONDS)
            self._sort_out()
            metrics.EPOCHS_WAITING.set(len(self._waiting))
            count = min(len(self._waiting), MAX_AT_ONCE)
            if not count:
                self._wake.clear()
                continue
            try:
                first = await self._allocate(count)
            except ServiceError as error:
                self.works = False
                if not backoff:
                    log.warning("epochs_not_available", waiting=len(self._waiting), error=error.public)
                backoff = min(1.0, backoff * 2 or 0.1)
                await self._clock.sleep(backoff)
                continue
            backoff = 0.0
            self.works = True
            served, self._waiting = self._waiting[:count], self._waiting[count:]
            for number, session in enumerate(served, first):
                if session.closed:
                    self._on_late(session)
                    continue
                session.epoch = number
                self._on_epoch(session)

    def _sort_out(self) -> None:
        """Drop those who left while they waited."""
        for session in self._waiting:
            if session.closed:
                self._on_late(session)
        self._waiting = [session for session in self._waiting if not session.closed]
