"""Every figure the benchmarks take: its name, its unit, which way is better, and what it must reach."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Better(StrEnum):
    """Which way a figure should go."""

    LOWER = "lower"
    HIGHER = "higher"


FLOOR = "floor"
PEER = "opamp-go server"
SOCKETS = "gateway, sockets only"
GATEWAY = "gateway, published"
SOCKETS_COMPILED = "gateway, compiled, sockets only"
GATEWAY_COMPILED = "gateway, compiled, published"
PLATFORM = "platform"


@dataclass(frozen=True)
class Goal:
    """What one contender must reach: a value, or a ratio within the same round."""

    contender: str
    limit: float
    to: str = ""
    """Contender the ratio is taken to; empty = the limit is the value itself."""

    def text(self, better: Better, unit: str) -> str:
        """Say the goal in a few characters."""
        sign = "≤" if better is Better.LOWER else "≥"
        return f"{sign} {self.limit:g} x {self.to}" if self.to else f"{sign} {self.limit:g} {unit}".rstrip()


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    """Stable key in the JSON; the part before the dot selects it with --only."""

    title: str
    unit: str
    better: Better
    goals: tuple[Goal, ...] = ()
    digits: int = 1


LOWER, HIGHER = Better.LOWER, Better.HIGHER

FIGURES: tuple[Figure, ...] = (
    Figure("connect.rate", "Connect (TCP + upgrade), 256 at once", "/s", HIGHER, digits=0),
    Figure("connect.cpu_us", "CPU per connect", "µs", LOWER),
    Figure("connect.p99_ms", "Connect p99", "ms", LOWER),
    Figure(
        "storm.rate",
        "Storm: connect + first status + answer, 1,000 at once",
        "/s",
        HIGHER,
        (Goal(SOCKETS, 1.2, PEER), Goal(SOCKETS_COMPILED, 1.2, PEER)),
        digits=0,
    ),
    Figure("storm.cpu_us", "CPU per storm connect", "µs", LOWER),
    Figure("storm.p99_ms", "Storm p99", "ms", LOWER),
    Figure(
        "memory.idle_kb",
        "User memory per idle agent, after status and heartbeats",
        "KB",
        LOWER,
        (Goal(SOCKETS, 6.0), Goal(GATEWAY, 6.0), Goal(SOCKETS_COMPILED, 6.0), Goal(GATEWAY_COMPILED, 6.0)),
        digits=2,
    ),
    Figure("memory.total_mb", "User memory of the process with all agents", "MB", LOWER),
    Figure(
        "heartbeat.per_core",
        "Heartbeats per second of CPU",
        "/s",
        HIGHER,
        (
            Goal(SOCKETS, 1.2, PEER),
            Goal(GATEWAY, 1.0, PEER),
            Goal(SOCKETS_COMPILED, 1.2, PEER),
            Goal(GATEWAY_COMPILED, 1.0, PEER),
        ),
        digits=0,
    ),
    Figure("heartbeat.rate", "Heartbeats, closed loop, 256 outstanding", "/s", HIGHER, digits=0),
    Figure("heartbeat.cpu_us", "CPU per heartbeat", "µs", LOWER, digits=2),
    Figure("heartbeat.p99_ms", "Heartbeat p99, open loop at a fixed rate", "ms", LOWER, digits=2),
    Figure(
        "heartbeat.max_ms",
        "Longest wait in that open loop",
        "ms",
        LOWER,
        (Goal(SOCKETS, 50.0), Goal(GATEWAY, 50.0)),
    ),
    Figure(
        "status.per_core",
        "Full statuses (5-6 KB, each changed) per second of CPU",
        "/s",
        HIGHER,
        (Goal(SOCKETS, 1.3, PEER), Goal(SOCKETS_COMPILED, 1.3, PEER)),
        digits=0,
    ),
    Figure("status.rate", "Full statuses, closed loop, 64 outstanding", "/s", HIGHER, digits=0),
    Figure("status.cpu_us", "CPU per full status", "µs", LOWER),
    Figure("fanout.last_ms", "One NATS message → the last agent has its 10 KB offer", "ms", LOWER),
    Figure("fanout.cpu_us", "CPU per agent reached", "µs", LOWER),
    Figure(
        "change.p99_ms",
        "REST PUT → one connected agent has it, p99",
        "ms",
        LOWER,
        (Goal(PLATFORM, 100.0),),
    ),
    Figure("change.p50_ms", "REST PUT → one connected agent has it, median", "ms", LOWER),
    Figure(
        "change.all_ms",
        "REST PUT → the last of 10,000 agents has it",
        "ms",
        LOWER,
        (Goal(PLATFORM, 5000.0),),
        digits=0,
    ),
    *(
        Figure(
            f"api.{call}_p99_ms_at_{agents}",
            f"{title}, p99 at {agents:,} agents, 50 requests/s",
            "ms",
            LOWER,
            (Goal(PLATFORM, 100.0),),
        )
        for agents in (1_000, 10_000)
        for call, title in (
            ("list", "GET /api/v1/agents?limit=20"),
            ("get", "GET /api/v1/agents/{id}"),
            ("summary", "GET /api/v1/agents/status/summary"),
        )
    ),
    Figure(
        "query.history_ms",
        "Connection history page among 10,000 rows of one agent, p99",
        "ms",
        LOWER,
        (Goal(PLATFORM, 50.0),),
        digits=2,
    ),
    *(
        Figure(
            f"query.{kind}_ms_at_{agents}",
            f"{title} at {agents:,} agents, p99",
            "ms",
            LOWER,
            (Goal(PLATFORM, limit),) if agents == 1_000 else (),
            digits=2,
        )
        for agents in (1_000, 100_000)
        for kind, title, limit in (("summary", "Status summary", 30.0), ("sweep", "Offline sweep, nobody stale", 10.0))
    ),
)

BY_NAME = {figure.name: figure for figure in FIGURES}
