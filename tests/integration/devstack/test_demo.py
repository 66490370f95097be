"""The demo's fleet when the platform does not let it in."""

from __future__ import annotations

import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from devstack import demo, readiness
from devstack.demo import Demo
from devstack.errors import StackError
from devstack.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from devstack.platform import Platform


def test_fleet_that_cannot_connect_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says for whom it waits and what the fleet complains about, and gives up with the same."""
    monkeypatch.setattr(readiness, "NEWS_SECONDS", 1.0)
    monkeypatch.setattr(demo, "CONNECT_SECONDS", 3.0)
    log, complained_at = tmp_path / "demo-fleet.log", list[float]()

    def now() -> float:
        """Read a clock that stands until the fleet has complained, however long it takes to start."""
        if not complained_at and log.exists() and "nobody listens" in log.read_text():
            complained_at.append(time.monotonic())
        return time.monotonic() - complained_at[0] if complained_at else 0.0

    monkeypatch.setattr(demo, "wait_all_ready", partial(readiness.wait_all_ready, now=now))
    token = tmp_path / "enrolment-token"
    token.write_text("oet_1_x\n")
    facts = {"opamp_url": f"ws://{LOOPBACK}:{free_port()}/v1/opamp", "enrolment_token_file": str(token)}
    said: list[str] = []
    platform = SimpleNamespace(facts=facts, data=tmp_path, logs=tmp_path, say=said.append, processes={})
    made = Demo(cast("Platform", platform))
    try:
        with pytest.raises(StackError, match=r"^not ready after 3 s: demo-fleet: .*nobody listens at this address"):
            made._connect_fleet()
    finally:
        made.stop()

    assert said
    assert all(line.startswith("still waiting for demo-fleet: ") for line in said)
