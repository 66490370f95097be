"""WebSockets under two hundred thousand frames: `make test-fuzz` (FRAMES=n, half of it over real sockets)."""

from __future__ import annotations

import asyncio
import os
import secrets

import pytest
from gatewaylab.fuzzing import DoorFuzzer
from gatewaylab.memory import grown_by

FRAMES = 2 * int(os.environ.get("FUZZ_FRAMES", "100000"))
GROWTH_BYTES = 64 * 1024 * 1024


@pytest.mark.timeout(120 + FRAMES // 500)
def test_sockets_survive_whatever_is_written(quiet_logs: None) -> None:
    """No exception, nothing unsound written, nothing kept of a socket that is gone; the seed is printed."""
    assert quiet_logs is None
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}, {FRAMES} frames")  # noqa: T201 - a failed run is repeated by its seed
    with asyncio.Runner() as runner:
        fuzzer = DoorFuzzer(seed)
        runner.run(fuzzer.run(FRAMES // 10))

        grown = grown_by(lambda: runner.run(fuzzer.run(FRAMES)))

    assert fuzzer.frames >= FRAMES
    assert grown < GROWTH_BYTES, f"{grown} bytes more"
