"""Short jobs: bounded in number and time, never silent about a failure."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from opamp_gateway.errands import Errands
from world.eventually import wait_until


async def test_errand_runs_and_is_forgotten() -> None:
    """Nothing is left of a job that is done."""
    errands, done = Errands(), asyncio.Event()

    async def work() -> None:
        done.set()

    assert errands.run(work(), "work")
    await asyncio.wait_for(done.wait(), 30)
    await asyncio.sleep(0)
    assert len(errands) == 0


async def test_too_many_are_refused() -> None:
    """Beyond the limit a job is not started and leaves no warning behind."""
    errands = Errands(limit=1)

    assert errands.run(asyncio.sleep(10), "one")
    assert not errands.run(asyncio.sleep(10), "two")
    await errands.close()
    assert len(errands) == 0


@pytest.mark.parametrize("event", ["errand_failed", "errand_took_too_long"])
async def test_failure_and_lateness_are_logged(event: str) -> None:
    """A job nobody waits for still tells when it went wrong."""
    errands = Errands(deadline_seconds=0.001)

    async def fail() -> None:
        raise KeyError(event)

    with capture_logs() as logs:
        errands.run(fail() if event == "errand_failed" else asyncio.sleep(10), "job")
        await wait_until(lambda: not len(errands))

    assert [entry["event"] for entry in logs] == [event]
