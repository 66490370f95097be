"""Waiting for several processes at once: the first that ends is told by name, and who waits hears why."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from devstack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from devstack.processes import Process

POLL_SECONDS = 0.05
NEWS_SECONDS = 5.0
"""Who waits this long is told for whom, and what that one last complained about; again after as long."""


def require_alive(processes: Iterable[Process]) -> None:
    """
    Make sure that all of them run.

    Raises:
        StackError: One has ended; tells the last error in its log.
    """
    for process in processes:
        if not process.alive:
            message = f"{process.name} ended with code {process.exit_code}: {process.complaint()}"
            raise StackError(message)


def wait_all_ready(
    wanted: Iterable[Process],
    within_seconds: float,
    say: Callable[[str], None],
    *,
    needed: Iterable[Process] = (),
    now: Callable[[], float] = time.monotonic,
) -> None:
    """
    Wait until every one of *wanted* serves; says so of each.

    Args:
        wanted: Started by now.

        within_seconds: How long to wait for all of them.

        say: Hears `<name> is ready`, and every few seconds what is still missing.

        needed: Others that must not end meanwhile.

        now: A clock, in seconds.

    Raises:
        StackError: One of them ended, or was not ready in time; tells the last error in its log.
    """
    missing, others = list(wanted), list(needed)
    started = now()
    news_at = started + NEWS_SECONDS
    while missing:
        for process in [each for each in missing if each.ready()]:
            missing.remove(process)
            others.append(process)
            say(f"{process.name} is ready")
        for process in missing:
            if not process.alive:
                message = (
                    f"{process.name} ended with code {process.exit_code} before it was ready: {process.complaint()}"
                )
                raise StackError(message)
        require_alive(others)
        if not missing:
            return
        stands = "; ".join(f"{each.name}: {each.complaint()}" for each in missing)
        if now() - started > within_seconds:
            message = f"not ready after {within_seconds:.0f} s: {stands}"
            raise StackError(message)
        if now() >= news_at:
            news_at += NEWS_SECONDS
            say(f"still waiting for {stands}")
        time.sleep(POLL_SECONDS)
