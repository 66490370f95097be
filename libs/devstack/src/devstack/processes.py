"""
One child process: started on a leash, logged to a bounded file, waited for, stopped with all it started.

It decides nothing: whether a dead child comes back is the supervisor's business.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devstack.errors import StackError
from devstack.leash import Identity, leash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LOG_BYTES = 16 * 1024 * 1024
"""A log larger than this becomes `<name>.log.1`; so each child holds at most twice as much."""

POLL_SECONDS = 0.02
SHOWN = 300
"""Characters of a log line that are told."""

_ERROR = re.compile(r"\b(error|critical|fatal|panic|err|ftl|refused)\b|(Error|Exception)\b", re.IGNORECASE)


@dataclass
class Process:
    """A program that can be started, killed and started again."""

    name: str
    argv: Sequence[str]
    log_path: Path
    ready: Callable[[], bool]
    """Asks once, quickly, whether the program serves."""

    env: Mapping[str, str] | None = None
    """The whole environment; None inherits ours."""

    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL
    """What the kernel sends it when we are killed."""

    identity: Identity | None = None
    cwd: Path | None = None
    _popen: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _log_start: int = field(default=0, init=False, repr=False)
    """Where in the log the newest start begins."""

    @property
    def pid(self) -> int:
        """Process id of the newest start; 0 before the first."""
        return 0 if self._popen is None else self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; reaps it when it does not."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the newest start ended; negative is a signal, None means it has not."""
        return None if self._popen is None else self._popen.poll()

    def start(self) -> None:
        """
        Start it in a process group of its own; does not wait for it to be ready.

        Must be called from the main thread (see leash).

        Raises:
            StackError: The program is missing or may not be run.
        """
        if self.alive:
            return
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self.bound_log()
        descriptor = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log_start = os.fstat(descriptor).st_size
        try:
            self._popen = subprocess.Popen(
                list(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=None if self.env is None else dict(self.env),
                cwd=self.cwd,
                start_new_session=True,
                preexec_fn=leash(self.death_signal, os.getpid(), self.identity),  # noqa: PLW1509  # no other thread forks
            )
        except (OSError, subprocess.SubprocessError) as exc:
            message = f"{self.name} cannot be started: {self.argv[0]}: {exc}"
            raise StackError(message) from exc
        finally:
            os.close(descriptor)

    def wait_ready(self, within_seconds: float) -> None:
        """
        Wait until it serves.

        Raises:
            StackError: It ended, or was not ready in time; tells the last line of its log.
        """
        deadline = time.monotonic() + within_seconds
        while not self.ready():
            if not self.alive:
                message = f"{self.name} ended with code {self.exit_code} before it was ready: {self.complaint()}"
                raise StackError(message)
            if time.monotonic() > deadline:
                message = f"{self.name} is not ready after {within_seconds:.0f} s: {self.complaint()}"
                raise StackError(message)
            time.sleep(POLL_SECONDS)

    def signal(self, number: int) -> None:
        """Send a signal to the program and all it started; nothing happens when it is gone."""
        if self.alive and self._popen is not None:
            try:
                os.killpg(self._popen.pid, number)
            except ProcessLookupError:
                return

    def stop(self, grace_seconds: float = 10.0) -> int | None:
        """End it as it likes to be ended, and by force after *grace_seconds*; returns its exit code."""
        if self._popen is None:
            return None
        if self.alive:
            os.kill(self._popen.pid, self.stop_signal)
        try:
            code = self._popen.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            code = None
        self.kill()
        return code

    def kill(self) -> None:
        """SIGKILL to the whole group, at once; returns when the program is gone."""
        if self._popen is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def bound_log(self) -> None:
        """Set a grown log aside; safe while the program writes, because it appends."""
        try:
            if self.log_path.stat().st_size <= LOG_BYTES:
                return
        except FileNotFoundError:
            return
        shutil.copyfile(self.log_path, self.log_path.with_name(self.log_path.name + ".1"))
        os.truncate(self.log_path, 0)

    def tail(self, lines: int = 20) -> list[str]:
        """Return the last lines the newest start has logged."""
        try:
            with self.log_path.open("rb") as log:
                size = self.log_path.stat().st_size
                begin = self._log_start if self._log_start <= size else 0  # it was set aside meanwhile
                log.seek(max(begin, size - 64 * 1024))
                return log.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def complaint(self) -> str:
        """Return the last error the newest start has logged, or else its last line, and where the log is."""
        last = [line.strip() for line in self.tail(200) if line.strip()]
        if not last:
            return f"see {self.log_path}"
        errors = [line for line in last if _ERROR.search(line)]
        return f"{(errors or last)[-1][:SHOWN]} ({self.log_path})"
