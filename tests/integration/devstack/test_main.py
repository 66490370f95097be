"""
`python -m devstack run` from start to end, with real servers and stand-ins for the services.

The real services run under it in tests/flow.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from devstack.ports import LOOPBACK
from world.folders import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from world.eventually import Eventually

pytestmark = pytest.mark.timeout(600)

_bases = itertools.count(15_000 + os.getpid() % 60 * 60, 60)
"""Below 20,000, where free_ports begins."""

STAND_IN = """
import http.server, json, os, signal, sys
NAME = "{name}"
if "create-admin" in sys.argv:
    print(json.dumps({{"username": "admin", "password": os.urandom(8).hex()}})); sys.exit()
if "create-enrolment-token" in sys.argv:
    print(json.dumps({{"id": "1", "secret": "oet_1_" + os.urandom(8).hex()}})); sys.exit()
if os.environ.get("BROKEN") == NAME:
    sys.exit("no such table")
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.HTTPServer(("127.0.0.1", int(os.environ[NAME.upper() + "_OPS_PORT"])), Ready).serve_forever()
"""


class Run:
    """One `devstack run` in a folder of its own."""

    def __init__(self, stand_ins: Path, data: Path, base: int, **more: str) -> None:
        self.data = data
        self.output = data.parent / f"output-{base}"
        environment = {
            **os.environ,  # what a shell would hand on
            "PYTHONPATH": str(stand_ins),
            "FLEET_DATA": str(data),
            "PORT_BASE": str(base),
            **more,
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "devstack", "run"], env=environment, stdout=output, stderr=output
            )

    @property
    def said(self) -> str:
        """Everything printed so far."""
        return self.output.read_text()

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says."""
        found: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return found

    def up(self) -> bool:
        """Whether it runs; fails when it has ended."""
        if self.process.poll() is not None:
            pytest.fail(f"ended with {self.process.returncode}: {self.said}")
        return "Ctrl-C ends it" in self.said

    def ended(self) -> int:
        """Wait for the end; returns the exit status."""
        return self.process.wait(120)

    def leaves_nothing(self) -> bool:
        """Whether no process still works for this folder; the last ones may take a moment to be gone."""
        return not psutil.wait_procs(self.left_over(), timeout=10)[1]

    def left_over(self) -> list[psutil.Process]:
        """Processes that still work for this folder."""
        found = []
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                inside = any(str(self.data) in word for word in each.cmdline())
                if inside or each.environ().get("FLEET_DATA") == str(self.data):
                    found.append(each)
        return found


@pytest.fixture
def new_run() -> Iterator[Callable[..., Run]]:
    """Give a maker of runs; the second of one folder finds the data of the first."""
    folder = make_folder("run")
    for name in ("agent_state", "config_service", "api_gateway", "opamp_gateway"):
        package = folder / "stand-ins" / name
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(STAND_IN.format(name=name))
    made: list[Run] = []

    def make(data: str = "data", base: int = 0, **more: str) -> Run:
        made.append(Run(folder / "stand-ins", folder / data, base or next(_bases), **more))
        return made[-1]

    yield make
    for run in made:
        run.process.kill()
        run.process.wait()
    for run in made:
        psutil.wait_procs(run.left_over(), timeout=60)
    shutil.rmtree(folder, ignore_errors=True)


async def test_start_tells_all_and_end_leaves_nothing(new_run: Callable[..., Run], eventually: Eventually) -> None:
    """The facts stand on the screen and in a private run.json; SIGTERM ends everything with status 0."""
    run = new_run("my data", GATEWAYS="2")
    await eventually(run.up, within=120)

    facts = run.facts
    assert (run.data / "run.json").stat().st_mode & 0o777 == 0o600
    assert facts["opamp_url"].startswith("ws://127.0.0.1:")
    assert facts["opamp_url"].endswith("/v1/opamp")
    assert facts["opamp_http_url"] == facts["opamp_url"].replace("ws:", "http:")
    assert len(facts["opamp_urls"]) == 2
    for key in ("api_url", "opamp_url", "admin_password", "enrolment_token"):
        assert facts[key] in run.said
    command = shlex.split(run.said.split("Connect an agent:")[1].split("Ctrl-C")[0].replace("\\\n", " "))
    assert command[1:6] == ["-m", "opampctl", "simulate", "--agents", "1"]
    assert command[0] == sys.executable
    assert facts["enrolment_token"] not in command
    assert command[command.index("--token-file") + 1] == str(run.data / "enrolment-token")
    assert set(facts["pids"]) >= {"postgres", "nats", "redis", "agent-state", "opamp-gateway-1", "opamp-gateway-2"}
    for name, pid in facts["pids"].items():
        assert psutil.pid_exists(pid), name

    run.process.terminate()

    assert run.ended() == 0, run.said
    assert run.leaves_nothing()
    assert "Stopped." in run.said


async def test_second_start_finds_its_data(new_run: Callable[..., Run], eventually: Eventually) -> None:
    """Admin and token are those of the first start, also when run.json is gone."""
    first = new_run()
    await eventually(first.up, within=120)
    before = first.facts
    first.process.send_signal(signal.SIGINT)
    assert first.ended() == 0
    (first.data / "run.json").unlink()

    second = new_run()
    await eventually(second.up, within=120)

    after = second.facts
    for key in ("admin_user", "admin_password", "enrolment_token"):
        assert after[key] == before[key]


async def test_killed_runner_leaves_nothing(new_run: Callable[..., Run], eventually: Eventually) -> None:
    """After kill -9 the kernel ends every child, and the next start works on the same ports and data."""
    run = new_run()
    await eventually(run.up, within=120)
    base = run.facts["ports"]["api"]

    run.process.kill()

    await eventually(lambda: not run.left_over())
    again = new_run(base=base)
    await eventually(again.up, within=120)
    assert again.facts["admin_password"] == run.facts["admin_password"]


async def test_killed_parts_return(new_run: Callable[..., Run], eventually: Eventually) -> None:
    """A service and a server that die are started again, and that is said."""
    run = new_run()
    await eventually(run.up, within=120)
    ports, pids = run.facts["ports"], run.facts["pids"]

    for name in ("agent-state", "nats", "postgres"):
        os.kill(pids[name], signal.SIGKILL)

    def back() -> bool:
        wanted = (ports["agent_state_ops"], ports["nats"], ports["postgres"])
        return all(f"{name} ended with code -9" in run.said for name in ("agent-state", "nats", "postgres")) and all(
            _listens(port) for port in wanted
        )

    await eventually(back, within=60)
    await eventually(lambda: not set(run.facts["pids"].values()) & {pids["agent-state"], pids["nats"]})


async def test_end_during_the_start_leaves_nothing(new_run: Callable[..., Run], eventually: Eventually) -> None:
    """Ctrl-C while servers are still starting ends what stands by then, and the next start works."""
    run = new_run()
    await eventually(lambda: "NATS" in run.said, within=60)
    run.process.send_signal(signal.SIGINT)

    assert run.ended() == 0, run.said
    assert run.leaves_nothing()
    assert "Traceback" not in run.said
    again = new_run()
    await eventually(again.up, within=120)


async def test_folder_may_have_any_letters(new_run: Callable[..., Run], eventually: Eventually) -> None:
    """PostgreSQL, NATS, Redis and the services run in a folder that is not ASCII, under any locale, twice."""
    for _ in range(2):
        run = new_run("项目 ü", LC_ALL="C")
        await eventually(run.up, within=120)
        assert (run.data / "nats" / "store").is_dir()
        assert (run.data / "postgres" / "data" / "PG_VERSION").exists()
        run.process.terminate()
        assert run.ended() == 0, run.said
        assert run.leaves_nothing()


async def test_two_stacks_stand_side_by_side(new_run: Callable[..., Run], eventually: Eventually) -> None:
    """Different ports and folders are enough."""
    one, other = new_run("one"), new_run("other")

    await eventually(one.up, within=120)
    await eventually(other.up, within=120)

    assert one.facts["admin_password"] != other.facts["admin_password"]


def test_busy_port_is_one_line(new_run: Callable[..., Run]) -> None:
    """The start is refused before anything runs, and names port and way out."""
    base = next(_bases)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, base))
        taken.listen()
        run = new_run(base=base)

        assert run.ended() == 1

    refusals = [line for line in run.said.splitlines() if line.startswith("OpAMP Platform cannot run")]
    assert len(refusals) == 1
    assert f"Port {base} (api) is busy" in refusals[0]
    assert "Traceback" not in run.said


def test_broken_service_is_one_line(new_run: Callable[..., Run]) -> None:
    """A service that does not start ends the start, with its last word; nothing is left."""
    run = new_run(BROKEN="config_service")

    assert run.ended() == 1
    assert "config-service ended with code 1 before it was ready: no such table" in run.said
    assert "Traceback" not in run.said
    assert run.leaves_nothing()


def test_bad_setting_is_one_line(new_run: Callable[..., Run]) -> None:
    """A variable that cannot be used is named."""
    run = new_run(PORT_BASE="nine")

    assert run.ended() == 1
    assert run.said.startswith("OpAMP Platform cannot run: Settings cannot be used: PORT_BASE:")
    assert run.said.count("\n") == 1


def test_folder_that_cannot_be_written_is_one_line(new_run: Callable[..., Run]) -> None:
    """The folder is named."""
    run = new_run(FLEET_DATA="/proc/fleet")

    assert run.ended() == 1
    assert "OpAMP Platform cannot run: " in run.said
    assert "/proc/fleet" in run.said
    assert "Traceback" not in run.said


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
