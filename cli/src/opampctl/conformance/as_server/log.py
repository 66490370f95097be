"""Everything that happened in a run, in order, and waiting for what is to happen."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from opampctl.conformance.as_server.said import Fetch, Knock, Meeting, Said, Telemetry

T = TypeVar("T")
_LOOK_SECONDS = 0.25
_SLICES = 20


class Log:
    """The one who writes is the door, the one who waits is the scenario under way."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.knocks: list[Knock] = []
        self.meetings: list[Meeting] = []
        self.fetches: list[Fetch] = []
        self.telemetry: list[Telemetry] = []
        self.life = 0
        self._news = asyncio.Event()

    def changed(self) -> None:
        """Wake who waits."""
        self._news.set()

    def since(self, mark: int) -> list[Said]:
        """Return what was said, and heard, from an index on, in this life."""
        return [each for each in self.said[mark:] if each.life == self.life and not each.refused]

    async def until(self, look: Callable[[], T | None], seconds: float) -> T | None:
        """Wait until *look* finds something; what it finds, or None when time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            self._news.clear()
            found = look()
            left = deadline - loop.time()
            if found or left <= 0:
                return found or None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _LOOK_SECONDS)):
                    await self._news.wait()

    async def quiet(self, seconds: float) -> None:
        """Let time pass, in slices: a stalled machine must not count as a silent agent."""
        for _ in range(_SLICES):
            await asyncio.sleep(seconds / _SLICES)
