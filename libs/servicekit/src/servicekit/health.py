"""Health as a loop over what was registered: each part brings its own ping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["healthy", "degraded", "unhealthy"]

PING_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Component:
    """What one part answered."""

    status: Literal["healthy", "unhealthy"]
    message: str
    latency_seconds: float


@dataclass(frozen=True)
class Report:
    """All parts together: unhealthy when a critical one is, degraded when another is."""

    status: Status
    components: dict[str, Component]


@dataclass(frozen=True)
class _Check:
    ping: Callable[[], Awaitable[None]]
    critical: bool


class Health:
    """
    Knows the parts this process needs.

    Liveness never depends on them; readiness depends on the critical ones and on not draining.
    """

    def __init__(self) -> None:
        self._checks: dict[str, _Check] = {}
        self.stopping = False
        self.started = False

    def register(self, name: str, ping: Callable[[], Awaitable[None]], *, critical: bool) -> None:
        """Add a part; *ping* returns when it is well and raises when it is not."""
        self._checks[name] = _Check(ping, critical)

    async def report(self) -> Report:
        """Ask every part at once, each within PING_TIMEOUT_SECONDS."""
        names = list(self._checks)
        answers = await asyncio.gather(*(self._ask(self._checks[name]) for name in names))
        components = dict(zip(names, answers, strict=True))
        broken = [name for name in names if components[name].status == "unhealthy"]
        status: Status = "healthy"
        if broken:
            status = "unhealthy" if any(self._checks[name].critical for name in broken) else "degraded"
        return Report(status, components)

    async def ready(self) -> bool:
        """Say whether traffic should be sent here."""
        if self.stopping or not self.started:
            return False
        return (await self.report()).status != "unhealthy"

    @staticmethod
    async def _ask(check: _Check) -> Component:
        start = time.perf_counter()
        try:
            async with asyncio.timeout(PING_TIMEOUT_SECONDS):
                await check.ping()
        except TimeoutError:
            return Component("unhealthy", f"no answer within {PING_TIMEOUT_SECONDS:g} s", time.perf_counter() - start)
        except Exception as error:  # noqa: BLE001 - whatever a ping raises means the part is not well
            return Component("unhealthy", f"{type(error).__name__}: {error}", time.perf_counter() - start)
        return Component("healthy", "ok", time.perf_counter() - start)
