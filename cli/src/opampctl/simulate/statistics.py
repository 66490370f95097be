"""What a fleet did, in numbers of fixed size: counters and histograms, and a snapshot of both."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

_STEPS_PER_E = 25
"""Buckets per factor e: each is 4 % wide."""


class Histogram:
    """Durations in buckets 4 % wide, so any number of samples takes the same memory."""

    __slots__ = ("_buckets", "count", "maximum", "total")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0
        self.maximum = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._buckets[math.ceil(math.log(max(seconds, 1e-6)) * _STEPS_PER_E)] += 1
        self.count += 1
        self.total += seconds
        self.maximum = max(self.maximum, seconds)

    def percentile(self, percent: float) -> float:
        """Return the upper edge, in seconds, of the bucket that holds this percentile; 0 without samples."""
        rank, seen = math.ceil(self.count * percent / 100), 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return min(math.exp(bucket / _STEPS_PER_E), self.maximum)
        return 0.0

    def merge(self, other: Histogram) -> None:
        """Add the samples of another histogram."""
        self._buckets.update(other._buckets)
        self.count += other.count
        self.total += other.total
        self.maximum = max(self.maximum, other.maximum)

    def summary(self) -> dict[str, float]:
        """Return count, p50, p90, p99 and maximum, durations in milliseconds."""
        return {
            "count": self.count,
            "p50_ms": round(self.percentile(50) * 1000, 3),
            "p90_ms": round(self.percentile(90) * 1000, 3),
            "p99_ms": round(self.percentile(99) * 1000, 3),
            "max_ms": round(self.maximum * 1000, 3),
        }


@dataclass(slots=True)
class Statistics:
    """Everything a fleet counts while it runs."""

    connects: int = 0
    """Connections that came to stand (an HTTP agent counts once per time it got through again)."""
    reconnects: int = 0
    connect_failures: int = 0
    disconnects: int = 0
    """Connections that ended without our wish."""
    churned: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    heartbeats: int = 0
    full_states: int = 0
    full_states_requested: int = 0
    configs_received: int = 0
    configs_repeated: int = 0
    configs_applied: int = 0
    configs_failed: int = 0
    package_offers: int = 0
    package_downloads: int = 0
    package_bytes: int = 0
    packages_installed: int = 0
    packages_failed: int = 0
    identities_changed: int = 0
    restarts: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """Kind of error to how often."""
    connect: Histogram = field(default_factory=Histogram)
    """TCP connect to an accepted upgrade (WebSocket)."""
    answer: Histogram = field(default_factory=Histogram)
    """Message sent to the next answer."""
    first_config: Histogram = field(default_factory=Histogram)
    """Connected to the first configuration on that connection."""
    spread: Histogram = field(default_factory=Histogram)
    """First agent that received a configuration to each agent that did."""
    apply: Histogram = field(default_factory=Histogram)
    """Configuration received to its outcome reported."""
    package: Histogram = field(default_factory=Histogram)
    """Packages offered to each of them installed."""

    def merge(self, other: Statistics) -> None:
        """Add what another part of the fleet counted."""
        for name in _COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _LATENCIES:
            getattr(self, name).merge(getattr(other, name))
        self.errors.update(other.errors)


_COUNTERS = tuple(name for name in Statistics.__dataclass_fields__ if isinstance(getattr(Statistics(), name), int))
_LATENCIES = ("connect", "answer", "first_config", "spread", "apply", "package")
_COMMONEST = 20


@dataclass(slots=True)
class Standing:
    """Where the agents of a fleet, or of a part of it, stand at one moment."""

    agents: int = 0
    connected: int = 0
    websocket: int = 0
    http: int = 0
    applied: int = 0
    """Agents whose newest configuration is applied."""
    failed: int = 0
    applying: int = 0
    unconfigured: int = 0
    elapsed_seconds: float = 0.0
    configs: Counter[str] = field(default_factory=Counter)
    """Hash in hex of each applied configuration to the number of agents that run it."""
    packages: Counter[str] = field(default_factory=Counter)
    """Name and version of each package to the number of agents that have it."""

    def merge(self, other: Standing) -> None:
        """Add the agents of another part of the fleet."""
        for name in ("agents", "connected", "websocket", "http", "applied", "failed", "applying", "unconfigured"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.elapsed_seconds = max(self.elapsed_seconds, other.elapsed_seconds)
        self.configs.update(other.configs)
        self.packages.update(other.packages)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A fleet at one moment. Plain values only; `to_dict` is what `-o json` prints."""

    agents: int
    connected: int
    websocket: int
    http: int
    applied: int
    """Agents whose newest configuration is applied."""
    failed: int
    applying: int
    unconfigured: int
    elapsed_seconds: float
    configs: dict[str, int]
    """Hash in hex of each applied configuration to the number of agents that run it."""
    packages: dict[str, int]
    """Name and version of each package to the number of agents that have it."""
    counters: dict[str, int]
    latencies: dict[str, dict[str, float]]
    errors: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the snapshot as plain JSON values."""
        return asdict(self)


def snapshot_of(standing: Standing, statistics: Statistics) -> Snapshot:
    """Put standing and statistics into plain values; of many configurations and packages the commonest are told."""
    crowds = {"configs", "packages"}
    values = {name: getattr(standing, name) for name in Standing.__dataclass_fields__ if name not in crowds}
    return Snapshot(
        **values,
        configs=dict(standing.configs.most_common(_COMMONEST)),
        packages=dict(standing.packages.most_common(_COMMONEST)),
        counters={name: getattr(statistics, name) for name in _COUNTERS},
        latencies={name: getattr(statistics, name).summary() for name in _LATENCIES},
        errors=dict(statistics.errors),
    )
