"""Short jobs beside the main flow: at most so many, each with a deadline, failures logged, all ended at the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = structlog.get_logger()


class Errands:
    """
    Runs short coroutines nobody waits for.

    Args:
        limit: How many may run at once; beyond it `run` refuses.

        deadline_seconds: After which one is cancelled.
    """

    def __init__(self, *, limit: int = 10_000, deadline_seconds: float = 30.0) -> None:
        self._limit = limit
        self._deadline_seconds = deadline_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def run(self, work: Coroutine[Any, Any, None], name: str) -> bool:
        """Start *work*; False, and *work* closed unstarted, when too many run already."""
        if len(self._tasks) >= self._limit:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(self._bounded(work, name), name=name)
        self._tasks.add(task)
        # A task cancelled before it began leaves its coroutine behind; closing a finished one is harmless.
        task.add_done_callback(lambda _: work.close())
        task.add_done_callback(self._done)
        return True

    async def close(self) -> None:
        """Cancel whatever still runs."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)

    async def _bounded(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await work
        except TimeoutError:
            log.warning("errand_took_too_long", errand=name)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("errand_failed", errand=task.get_name(), exc_info=task.exception())
