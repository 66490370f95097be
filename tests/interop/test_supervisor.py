"""
A real OpenTelemetry Collector under opampsupervisor: it runs what the platform sends, and survives what it cannot run.

Both are built by `make interop`; OPAMP_SUPERVISOR and OPAMP_COLLECTOR name others. The supervisor's file is the
README's, with a shorter wait for a configuration to prove itself.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from collectors import LABEL, TOKEN_VARIABLE, marker, pipeline, supervisor_file
from foreign import ForeignProgram
from goprograms import COLLECTOR, SUPERVISOR, Program
from readme import READMES
from sight import Sight

from world.platform import Platform

GATEWAY = "opamp-gateway-1"
UNKNOWN = "receiver_nobody_has"
QUICK: Mapping[str, Mapping[str, Any]] = {"agent": {"config_apply_timeout": "2s", "bootstrap_timeout": "30s"}}
"""The Collector has 2 s to become healthy with a new configuration, and 30 s to start at all: machines are busy."""

pytestmark = pytest.mark.timeout(300)


class Supervisors:
    """Starts supervisors that report to a platform, each in a folder of its own."""

    def __init__(
        self, programs: tuple[Path, Path], platform: Platform, run: Callable[..., ForeignProgram], folder: Path
    ) -> None:
        self._supervisor, self._collector = programs
        self._platform = platform
        self._run = run
        self._folder = folder

    def start(self, label: str, readme: str = READMES[0], *, over_http: bool = False, **agent: Any) -> ForeignProgram:
        """Run a supervisor with a README's file; the label finds it. Started again, it has what it stored."""
        file = supervisor_file(
            self._folder / label,
            readme,
            executable=self._collector,
            url=self._platform.run_json["opamp_http_url" if over_http else "opamp_url"],
            label=label,
            more={"agent": {**QUICK["agent"], **agent}},
        )
        return self._run([self._supervisor, "--config", file], {TOKEN_VARIABLE: self._platform.token})


@pytest.fixture
async def supervisors(
    platform: Platform,
    foreign_program: Callable[..., ForeignProgram],
    program_of: Callable[[Program], Path],
    tmp_path: Path,
) -> Supervisors:
    """Give what starts supervisors, with the platform running."""
    programs = program_of(SUPERVISOR), program_of(COLLECTOR)
    await platform.start()
    return Supervisors(programs, platform, foreign_program, tmp_path)


def ended(supervisor: ForeignProgram) -> int:
    """Stop it, with its Collector; it heeds SIGINT only, and dies of SIGTERM without a word."""
    return supervisor.stop(signal.SIGINT)


async def runs(sight: Sight, wanted: int) -> bool:
    """Say whether the Collector itself says that it runs pipeline() with this marker."""
    return [marker(each) for each in await sight.effective()] == [wanted]


async def applied(sight: Sight, config_hash: str, wanted: int) -> dict[str, Any]:
    """Wait until a configuration is applied, the Collector is well and says that it runs it."""
    await sight.wait(lambda: runs(sight, wanted), f"runs {wanted}")
    return await sight.until(
        "applied", status="online", health_state="healthy", config_state="applied", remote_config_hash=config_hash
    )


async def attempts(platform: Platform, agent: Mapping[str, Any], config_hash: str) -> list[tuple[str, int]]:
    """Return how offers of a configuration ended, newest first."""
    history = await platform.api.get(f"/agents/{agent['id']}/apply-history")
    return [(each["status"], each["attempt"]) for each in history["histories"] if each["config_hash"] == config_hash]


@pytest.mark.parametrize("readme", READMES)
async def test_supervisor_with_the_file_of_the_readme(
    platform: Platform, supervisors: Supervisors, readme: str
) -> None:
    """It is listed, its Collector runs the configuration that matches it and a change of it, each offered once."""
    sight = Sight(platform, LABEL, f"supervisor-{readme.split('.')[1].lower()}")

    supervisor = supervisors.start(sight.name, readme)

    await sight.until("listed", link="connected", transport="websocket")
    first = await sight.store(pipeline(10))
    await applied(sight, first, 10)
    second = await sight.store(pipeline(20))
    agent = await applied(sight, second, 20)
    assert {"AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsHeartbeat"} <= set(agent["capabilities"])
    assert "otlp" in agent["components"]["receivers"]["components"]
    for each in (first, second):
        assert await attempts(platform, agent, each) == [("applied", 1)]
    assert ended(supervisor) == 0
    await sight.until("gone", status="offline", disconnect_reason="agent disconnect")


async def test_supervisor_over_http(platform: Platform, supervisors: Supervisors) -> None:
    """Polling, it receives and runs its configuration just as well."""
    sight = Sight(platform, LABEL, "supervisor-http")
    config_hash = await sight.store(pipeline(10))

    supervisor = supervisors.start(sight.name, over_http=True)

    agent = await applied(sight, config_hash, 10)
    assert agent["transport"] == "http"
    assert ended(supervisor) == 0


async def test_supervisor_refuses_a_configuration(platform: Platform, supervisors: Supervisors) -> None:
    """The Collector never stops: what the validator said is shown, it is not offered again, the next one heals it."""
    sight = Sight(platform, LABEL, "supervisor-refuses")
    good = await sight.store(pipeline(10))
    supervisor = supervisors.start(sight.name)
    await applied(sight, good, 10)

    bad = await sight.store(pipeline(11, receiver=UNKNOWN))
    agent = await sight.until("failed", status="error", config_state="failed", remote_config_hash=bad)
    assert UNKNOWN in agent["config_error"]
    assert agent["health_state"] == "healthy"
    assert await runs(sight, 10)

    mended = await sight.store(pipeline(20))
    agent = await applied(sight, mended, 20)
    assert await attempts(platform, agent, bad) == [("failed", 1)]
    assert ended(supervisor) == 0


async def test_supervisor_whose_collector_dies_of_a_configuration(platform: Platform, supervisors: Supervisors) -> None:
    """Without validation the Collector exits: failed with the exit code, ill, not offered again; a good one heals."""
    sight = Sight(platform, LABEL, "supervisor-crashes")
    good = await sight.store(pipeline(10))
    supervisor = supervisors.start(sight.name, validate_config=False)
    await applied(sight, good, 10)

    bad = await sight.store(pipeline(11, receiver=UNKNOWN))
    agent = await sight.until(
        "failed", status="error", config_state="failed", remote_config_hash=bad, health_state="unhealthy"
    )
    assert "exit code 1" in agent["config_error"]
    assert "exited unexpectedly" in agent["health_error"]

    mended = await sight.store(pipeline(20))
    agent = await applied(sight, mended, 20)
    assert await attempts(platform, agent, bad) == [("failed", 1)]
    assert ended(supervisor) == 0


async def test_supervisor_over_a_server_restart(platform: Platform, supervisors: Supervisors) -> None:
    """The gateway is killed and the configuration changes meanwhile: the Collector keeps running, then changes."""
    sight = Sight(platform, LABEL, "supervisor-server-restart")
    old = await sight.store(pipeline(10))
    supervisor = supervisors.start(sight.name)
    before = await applied(sight, old, 10)

    platform.kill(GATEWAY)
    new = await sight.store(pipeline(20))
    await platform.restart(GATEWAY)

    after = await applied(sight, new, 20)
    same = ("id", "name", "version", "labels", "capabilities", "components")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert await attempts(platform, after, old) == [("applied", 1)]
    assert await attempts(platform, after, new) == [("applied", 1)]
    assert ended(supervisor) == 0


async def test_supervisor_restarted_with_its_storage(platform: Platform, supervisors: Supervisors) -> None:
    """It is the same agent, says at once what it applied, and is offered nothing."""
    sight = Sight(platform, LABEL, "supervisor-restarted")
    config_hash = await sight.store(pipeline(10))
    supervisor = supervisors.start(sight.name)
    before = await applied(sight, config_hash, 10)
    assert ended(supervisor) == 0
    await sight.until("gone", status="offline")

    again = supervisors.start(sight.name)

    after = await applied(sight, config_hash, 10)
    assert after["id"] == before["id"]
    assert await attempts(platform, after, config_hash) == [("applied", 1)]
    assert ended(again) == 0
