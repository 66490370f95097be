"""Brings back children that died, each after a pause that grows while it keeps dying."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from devstack.processes import Process

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 15.0
STEADY_SECONDS = 30.0
"""Who ran this long has its pause forgotten."""


@dataclass
class _Watch:
    process: Process
    started: float
    pause: float = FIRST_PAUSE_SECONDS
    restart_at: float | None = None


@dataclass
class Supervisor:
    """Looks after running processes; call tick() a few times a second."""

    say: Callable[[str], None]
    restarted: Callable[[], None] = lambda: None
    """Called after a process was started again."""

    now: Callable[[], float] = time.monotonic
    _watches: list[_Watch] = field(default_factory=list, init=False)

    def watch(self, processes: Iterable[Process]) -> None:
        """Look after these too; they run by now."""
        self._watches += [_Watch(process, self.now()) for process in processes]

    def tick(self) -> None:
        """Notice deaths, start again whose pause is over, and keep logs within their bounds."""
        now = self.now()
        for watch in self._watches:
            if watch.restart_at is not None:
                if now >= watch.restart_at:
                    watch.restart_at, watch.started = None, now
                    watch.process.start()
                    self.restarted()
            elif not watch.process.alive:
                self._plan_restart(watch, now)
            else:
                watch.process.bound_log()

    def _plan_restart(self, watch: _Watch, now: float) -> None:
        if now - watch.started >= STEADY_SECONDS:
            watch.pause = FIRST_PAUSE_SECONDS
        watch.restart_at = now + watch.pause
        self.say(
            f"{watch.process.name} ended with code {watch.process.exit_code}; "
            f"starting it again in {watch.pause:.2g} s (log: {watch.process.log_path})"
        )
        watch.pause = min(watch.pause * 2, LONGEST_PAUSE_SECONDS)
