"""Programs under measure: started on a core of their own, their CPU time and memory read from the kernel."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from devstack.processes import Process

_START_SECONDS = 60.0
_REST_STEP_SECONDS = 0.25
_REST_SHARE = 0.04
_REST_SECONDS = 20.0


def cores() -> tuple[int, int]:
    """Choose a core for the server and one for the generator; the same one when there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def raise_descriptor_limit() -> int:
    """Use as many descriptors as the system grants; return how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Run this thread, and what it starts meanwhile, on *core* only; None = anywhere."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Say whether something listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process so far, user and system."""
    stats = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9


def rss_bytes(pid: int) -> int:
    """Resident memory of a process (kernel socket buffers are not in it)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Program:
    """
    A child process that listens on *port*.

    Args:
        command: Program and arguments.

        port: Started means: this port accepts.

        log: File for its output.

        core: Where all its threads may run; None = anywhere.

        env: Added to this process's environment.

    Raises:
        StackError: (on entry) it ended, or did not listen within a minute.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        log: Path,
        core: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self._core = core
        environment = os.environ | (env or {})  # noqa: TID251 - the child gets what we have
        name = Path(command[0]).name
        self.process = Process(name, command, log, lambda: accepts(port), env=environment)

    def __enter__(self) -> Self:
        with pinned(self._core):
            self.process.start()
        try:
            self.process.wait_ready(_START_SECONDS)
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def cpu_seconds(self) -> float:
        """CPU time so far."""
        return cpu_seconds(self.process.pid)

    def rss_bytes(self) -> int:
        """Resident memory now."""
        return rss_bytes(self.process.pid)

    def rest(self) -> None:
        """Wait until it has next to nothing to do: what it still digests must not spoil the next step."""
        give_up = time.monotonic() + _REST_SECONDS
        while time.monotonic() < give_up:
            before = self.cpu_seconds()
            time.sleep(_REST_STEP_SECONDS)
            if self.cpu_seconds() - before < _REST_SHARE * _REST_STEP_SECONDS:
                return
