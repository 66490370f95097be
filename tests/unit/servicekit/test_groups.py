from __future__ import annotations

import asyncio

import pytest

from servicekit.groups import heed_cancellation, leaves


def test_leaves_of_nested_groups() -> None:
    """However deep exceptions are grouped, the plain ones are found; a plain one is its own leaf."""
    a, b = KeyError("a"), OSError("b")
    assert leaves(ExceptionGroup("outer", [a, ExceptionGroup("inner", [b])])) == [a, b]
    assert leaves(a) == [a]


async def test_an_order_to_end_that_was_swallowed_is_heeded() -> None:
    """A loop that caught whatever came of its cancellation ends at the next look; an uncancelled one goes on."""

    async def deaf() -> str:
        heed_cancellation()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heed_cancellation()
        return "never"

    task = asyncio.ensure_future(deaf())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
