"""Epochs: for those who wait now, in order, and none for those who left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gatewaylab.fakes import RULES
from gatewaylab.speech import UID

from opamp_gateway.epochs import MAX_AT_ONCE, EpochDesk
from opamp_gateway.session import WEBSOCKET, Session
from servicekit.clock import FakeClock
from servicekit.errors import Unavailable


class Lab:
    """A desk with a source that can be away."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.away = False
        self.asked: list[int] = []
        self.numbered: list[Session] = []
        self.late: list[Session] = []
        self.next = 100
        self.before_answer: Callable[[], None] = lambda: None
        self.desk = EpochDesk(self.allocate, self.clock, on_epoch=self.numbered.append, on_late=self.late.append)

    async def allocate(self, count: int) -> int:
        """Give numbers."""
        self.asked.append(count)
        if self.away:
            raise Unavailable("away")
        self.before_answer()
        first, self.next = self.next, self.next + count
        return first

    def arrive(self) -> Session:
        """Let a session wait."""
        session = Session(RULES, "default", UID, WEBSOCKET)
        self.desk.wait(session)
        return session


@asynccontextmanager
async def running() -> AsyncIterator[Lab]:
    """Run a desk."""
    lab = Lab()
    task = asyncio.ensure_future(lab.desk.run())
    try:
        yield lab
    finally:
        task.cancel()


async def test_all_who_wait_are_served_by_one_request_in_order() -> None:
    """A storm costs one question per few milliseconds."""
    async with running() as lab:
        sessions = [lab.arrive() for _ in range(5)]
        await lab.clock.advance(0.01)

        assert lab.asked == [5]
        assert [session.epoch for session in sessions] == [100, 101, 102, 103, 104]
        assert lab.numbered == sessions
        assert len(lab.desk) == 0


async def test_nothing_is_reserved_ahead() -> None:
    """Two arrivals apart are two requests for one each."""
    async with running() as lab:
        lab.arrive()
        await lab.clock.advance(1)
        lab.arrive()
        await lab.clock.advance(1)

        assert lab.asked == [1, 1]


async def test_line_waits_while_agent_state_is_away() -> None:
    """Nobody is lost; the source is asked again with growing pauses."""
    async with running() as lab:
        lab.away = True
        session = lab.arrive()
        await lab.clock.advance(5)
        tries = len(lab.asked)
        lab.away = False
        await lab.clock.advance(2)

        assert 3 < tries < 15
        assert session.epoch == 100


async def test_who_left_while_waiting_gets_no_number() -> None:
    """A connection that closes before it got an epoch leaves no trace."""
    async with running() as lab:
        left, stays = lab.arrive(), lab.arrive()
        left.closed = True
        await lab.clock.advance(0.01)

        assert lab.asked == [1]
        assert (lab.late, lab.numbered) == ([left], [stays])


async def test_who_leaves_during_the_request_gets_no_number() -> None:
    """The number is wasted, the session is not told."""
    async with running() as lab:
        session = lab.arrive()

        def leave() -> None:
            session.closed = True

        lab.before_answer = leave
        await lab.clock.advance(0.01)

        assert (lab.late, lab.numbered, session.epoch) == ([session], [], 0)


async def test_one_request_is_bounded() -> None:
    """agent-state gives at most ten thousand at once."""
    async with running() as lab:
        for _ in range(MAX_AT_ONCE + 1):
            lab.arrive()
        await lab.clock.advance(0.1)

        assert lab.asked == [MAX_AT_ONCE, 1]
