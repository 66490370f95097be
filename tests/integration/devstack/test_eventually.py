"""Waiting without sleeping."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from world.eventually import Eventually


async def test_answer_is_returned_once_it_is_truthy(eventually: Eventually) -> None:
    """Plain functions are asked again and again."""
    numbers = itertools.count()

    assert await eventually(lambda: next(numbers) >= 3 and "found") == "found"


async def test_coroutines_and_assertions_are_waited_for(eventually: Eventually) -> None:
    """An assertion that fails means: not yet."""
    numbers = itertools.count()

    async def check() -> bool:
        assert next(numbers) >= 3
        return True

    assert await eventually(check)


async def test_what_never_holds_is_told(eventually: Eventually) -> None:
    """The last answer and the description are in the message."""
    with pytest.raises(AssertionError, match=r"^peace did not hold within 0\.05 s; last answer: 0$"):
        await eventually(lambda: 0, within=0.05, describe="peace")


async def test_other_errors_end_the_waiting(eventually: Eventually) -> None:
    """A broken check is not waited for."""
    with pytest.raises(ZeroDivisionError):
        await eventually(lambda: 1 / 0)
