"""What lies inside exception groups, and an order to end that got lost on the way."""

from __future__ import annotations

import asyncio


def leaves(error: BaseException) -> list[BaseException]:
    """List the plain exceptions inside *error*, however deep; a plain exception is its own only leaf."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def heed_cancellation() -> None:
    """
    Raise CancelledError when the current task was told to end.

    For loops that go on after errors: a task group that fails at that very moment, or a library's own waiting,
    may turn the order to end into another error (Python 3.11), and the loop would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
