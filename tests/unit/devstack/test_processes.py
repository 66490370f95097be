from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from devstack import processes
from devstack.errors import StackError
from devstack.processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from world.eventually import Eventually

PATIENT = (
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); open(sys.argv[1], 'w'); time.sleep(60)"
)


def _python(tmp_path: Path, code: str, *arguments: str) -> Process:
    """Describe a Python program that is ready when it has made a file."""
    flag = tmp_path / "ready"
    return Process(
        name="program",
        argv=[sys.executable, "-S", "-c", f"import sys; {code}", str(flag), *arguments],
        log_path=tmp_path / "logs" / "program.log",
        ready=flag.exists,
    )


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Process]:
    """Give a program that waits, and exits with 7 on SIGTERM."""
    process = _python(tmp_path, PATIENT)
    yield process
    process.kill()


def test_start_wait_stop(patient: Process) -> None:
    """A program is asked to end and its own exit code is told."""
    patient.start()
    patient.wait_ready(10)

    assert patient.alive
    assert patient.stop() == 7
    assert not patient.alive


def test_starting_twice_starts_once(patient: Process) -> None:
    """A running program is left alone."""
    patient.start()
    first = patient.pid
    patient.start()

    assert patient.pid == first


def test_never_started_is_not_alive(patient: Process) -> None:
    """Stopping, killing and signalling what was never started does nothing."""
    assert not patient.alive
    assert (patient.pid, patient.exit_code) == (0, None)
    assert patient.stop() is None
    patient.kill()
    patient.signal(signal.SIGTERM)


def test_who_does_not_listen_is_killed(tmp_path: Path) -> None:
    """A program that ignores SIGTERM ends when its grace is over."""
    process = _python(
        tmp_path, "import signal, time; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w'); time.sleep(60)"
    )
    process.start()
    process.wait_ready(10)

    assert process.stop(grace_seconds=0.1) is None
    assert process.exit_code == -signal.SIGKILL


def test_killing_ends_the_whole_group(tmp_path: Path) -> None:
    """What the program started itself does not outlive it."""
    process = _python(
        tmp_path,
        "import subprocess, time; p = subprocess.Popen(['sleep', '60']); "
        "open(sys.argv[1] + '.new', 'w').write(str(p.pid)); "
        "import os; os.rename(sys.argv[1] + '.new', sys.argv[1]); time.sleep(60)",
    )
    process.start()
    process.wait_ready(10)
    grandchild = psutil.Process(int((tmp_path / "ready").read_text()))

    process.kill()

    gone, alive = psutil.wait_procs([grandchild], timeout=30)
    assert (len(gone), alive) == (1, [])


def test_early_end_is_told_with_its_last_line(tmp_path: Path) -> None:
    """A program that fails at start says why in our one line."""
    process = _python(tmp_path, "print('port is taken'); sys.exit(3)")
    process.start()

    with pytest.raises(StackError, match=r"program ended with code 3 before it was ready: port is taken \("):
        process.wait_ready(10)


def test_complaint_is_the_last_error_of_this_start(tmp_path: Path) -> None:
    """Not the chatter after it, and nothing an earlier start has logged."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "program.log").write_text("ERROR of last week\n")
    process = _python(tmp_path, "print('Error: no such table'); print('stopping'); sys.exit(3)")
    assert "last week" in process.complaint()
    process.start()

    with pytest.raises(StackError, match=r"before it was ready: Error: no such table \("):
        process.wait_ready(10)
    assert process.tail() == ["Error: no such table", "stopping"]


def test_late_readiness_is_told(tmp_path: Path) -> None:
    """A program that never gets ready is given up in time."""
    process = Process(
        "program", ["sleep", "60"], tmp_path / "program.log", ready=lambda: False, death_signal=signal.SIGKILL
    )
    process.start()

    with pytest.raises(StackError, match="program is not ready after 0 s: see "):
        process.wait_ready(0.05)
    process.kill()


def test_missing_program_is_told(tmp_path: Path) -> None:
    """The message names the program."""
    process = Process("program", ["/no/such/program"], tmp_path / "program.log", ready=lambda: True)

    with pytest.raises(StackError, match="/no/such/program"):
        process.start()


def test_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grown log is set aside, and a program that still writes goes on in the emptied one."""
    monkeypatch.setattr(processes, "LOG_BYTES", 10)
    log = tmp_path / "program.log"
    process = Process("program", ["sleep", "60"], log, ready=lambda: True)
    with log.open("ab", buffering=0) as writer:
        writer.write(b"0123456789 first\n")
        process.bound_log()
        writer.write(b"second\n")
        process.bound_log()

    assert log.read_bytes() == b"second\n"
    assert (tmp_path / "program.log.1").read_bytes() == b"0123456789 first\n"
    assert process.tail() == ["second"]
    assert Process("other", [], tmp_path / "none.log", ready=lambda: True).tail() == []


async def test_children_end_when_the_runner_is_killed(tmp_path: Path, eventually: Eventually) -> None:
    """Kill -9 of the runner leaves nothing behind: the kernel tells its children."""
    code = (
        "import sys, time; from pathlib import Path; from devstack.processes import Process; "
        "p = Process('sleep', ['sleep', '60'], Path(sys.argv[1]) / 'log', ready=lambda: True); p.start(); "
        "new = Path(sys.argv[1]) / 'new'; new.write_text(str(p.pid)); new.rename(new.with_name('pid')); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as runner:  # noqa: ASYNC220  # must be killed like a program
        await eventually((tmp_path / "pid").exists)
        child = int((tmp_path / "pid").read_text())
        assert psutil.pid_exists(child)

        os.kill(runner.pid, signal.SIGKILL)

    await eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie")
