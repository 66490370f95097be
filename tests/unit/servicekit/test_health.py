from __future__ import annotations

import asyncio

import pytest

from servicekit import health as health_module
from servicekit.health import Health


async def well() -> None:
    """Answer."""


async def broken() -> None:
    """Fail."""
    raise ConnectionError("refused")


@pytest.mark.parametrize(
    ("critical", "optional", "status"),
    [(well, well, "healthy"), (well, broken, "degraded"), (broken, well, "unhealthy"), (broken, broken, "unhealthy")],
)
async def test_status_follows_the_worst_part_that_matters(critical: object, optional: object, status: str) -> None:
    """A critical part that fails is unhealthy, another one only degrades."""
    health = Health()
    health.register("database", critical, critical=True)  # type: ignore[arg-type] # parametrised
    health.register("cache", optional, critical=False)  # type: ignore[arg-type] # parametrised
    assert (await health.report()).status == status


async def test_a_silent_part_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping that never answers counts as failed after the timeout."""
    monkeypatch.setattr(health_module, "PING_TIMEOUT_SECONDS", 0.01)

    async def silent() -> None:
        await asyncio.Event().wait()

    health = Health()
    health.register("database", silent, critical=True)
    report = await health.report()
    assert report.components["database"].message == "no answer within 0.01 s"


async def test_ready_only_between_start_and_drain() -> None:
    """Traffic is wanted once started, while critical parts answer, until draining."""
    health = Health()
    health.register("database", well, critical=True)
    assert not await health.ready()
    health.started = True
    assert await health.ready()
    health.stopping = True
    assert not await health.ready()


async def test_not_ready_while_a_critical_part_is_away() -> None:
    """Readiness follows the critical parts."""
    health = Health()
    health.started = True
    health.register("database", broken, critical=True)
    assert not await health.ready()
    assert "ConnectionError: refused" in (await health.report()).components["database"].message
