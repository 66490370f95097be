"""Several processes on one port: watched, replaced, ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from opamp_gateway import workers
from opamp_gateway.settings import Settings
from servicekit.settings import read

SLEEPER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); time.sleep(60)"


def start(code: str) -> subprocess.Popen[bytes]:
    """Start a process that stands for a worker."""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


def test_free_port_cannot_be_shared(capsys: pytest.CaptureFixture[str]) -> None:
    """Each worker would take another one."""
    assert workers.supervise(read(Settings, {"OPAMP_GATEWAY_PORT": "0"}), 2) == 2
    assert "name a port" in capsys.readouterr().err


def test_dead_worker_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are left alone."""
    monkeypatch.setattr(workers, "_RESTART_SECONDS", 0.01)
    monkeypatch.setattr(workers, "_start", lambda *_: start(SLEEPER))
    dead, alive = start("raise SystemExit(3)"), start(SLEEPER)
    dead.wait()
    processes = [dead, alive]

    workers._replace_the_dead(read(Settings, {}), processes, threading.Event())

    assert processes[0] is not dead
    assert processes[1] is alive
    workers._end(processes, 5)
    assert [process.returncode for process in processes] == [-signal.SIGTERM] * 2
    for process in (dead, *processes):
        assert process.stdout is not None
        process.stdout.close()


def test_nobody_is_replaced_while_leaving() -> None:
    """A worker that ended first is not started again."""
    stop = threading.Event()
    stop.set()
    dead = start("")
    dead.wait()
    processes = [dead]

    workers._replace_the_dead(read(Settings, {}), processes, stop)

    assert processes == [dead]
    assert dead.stdout is not None
    dead.stdout.close()


def test_worker_that_does_not_leave_is_made_to() -> None:
    """Once its time is over."""
    stubborn = start(STUBBORN)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()

    workers._end([stubborn], 0.1)

    assert stubborn.wait(30) == -signal.SIGKILL
    stubborn.stdout.close()
