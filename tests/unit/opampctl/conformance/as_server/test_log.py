"""Waiting for what is to happen."""

from __future__ import annotations

import asyncio

from opampctl.conformance.as_server.log import Log
from opampctl.conformance.as_server.said import Said
from opampctl.conformance.heard import Transport


async def test_what_happens_ends_the_wait() -> None:
    """Who looks finds, as soon as it is there."""
    log = Log()
    found: list[str] = []

    def happen() -> None:
        found.append("it")
        log.changed()

    asyncio.get_running_loop().call_soon(happen)

    assert await log.until(lambda: found, 30) == ["it"]


async def test_patience_ends() -> None:
    """What never happens is None."""
    nothing: list[str] = []

    assert await Log().until(lambda: nothing, 0.01) is None


async def test_only_this_life_counts() -> None:
    """What an earlier process said, or what was refused, is not heard."""
    log = Log()
    log.life = 2
    log.said = [
        Said(0, 1, 1, Transport.HTTP, 0.0, b""),
        Said(1, 2, 1, Transport.HTTP, 0.0, b""),
        Said(2, 2, 1, Transport.HTTP, 0.0, b"", refused=True),
    ]
    await log.quiet(0.01)

    assert [each.index for each in log.since(0)] == [1]
