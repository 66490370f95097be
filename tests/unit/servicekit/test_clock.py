from __future__ import annotations

import asyncio

from servicekit.clock import FakeClock, SystemClock


async def test_sleepers_wake_in_order_and_only_when_due() -> None:
    """Advancing the clock wakes those whose time has come, earliest first."""
    clock = FakeClock()
    woken: list[str] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [asyncio.ensure_future(sleep(name, seconds)) for name, seconds in (("b", 2), ("a", 1), ("c", 9))]
    await clock.advance(3)
    assert woken == ["a", "b"]
    await clock.advance(6)
    assert woken == ["a", "b", "c"]
    await asyncio.gather(*tasks)


async def test_both_times_move_together() -> None:
    """Wall clock and monotonic clock advance by the same seconds."""
    clock = FakeClock()
    wall, ticks = clock.now(), clock.monotonic()
    await clock.advance(90)
    assert (clock.now() - wall).total_seconds() == 90
    assert clock.monotonic() - ticks == 90


async def test_the_system_clock_is_utc_and_grows() -> None:
    """The real clock speaks UTC and never goes back."""
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before
    assert str(clock.now().tzinfo) == "UTC"
