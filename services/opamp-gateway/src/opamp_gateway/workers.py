"""
Several gateway processes on one port: started, watched, replaced when one dies, ended together.

Each is a gateway of its own with its own id; the kernel spreads connections among them (SO_REUSEPORT).
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import structlog

from opamp_gateway.settings import environment_of_worker
from servicekit import log as logs

if TYPE_CHECKING:
    from types import FrameType

    from opamp_gateway.settings import Settings

log = structlog.get_logger()

_RESTART_SECONDS = 1.0
_LOOK_SECONDS = 0.2
_LEAVE_SECONDS = 15


def supervise(settings: Settings, count: int) -> int:
    """
    Run *count* workers until told to stop.

    Returns:
        0, or 2 when the settings cannot be shared.
    """
    logs.configure("opamp-gateway", settings.log_level, settings.log_format)
    if not settings.port:
        sys.stderr.write("OPAMP_GATEWAY_PORT=0 cannot be shared by several workers: name a port\n")
        return 2
    stop = threading.Event()

    def told(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told)
    workers = [_start(settings, index) for index in range(count)]
    log.info("workers_started", workers=count)
    while not stop.wait(_LOOK_SECONDS):
        _replace_the_dead(settings, workers, stop)
    _end(workers, settings.drain_grace_seconds + _LEAVE_SECONDS)
    return 0


def _replace_the_dead(settings: Settings, workers: list[subprocess.Popen[bytes]], stop: threading.Event) -> None:
    for index, worker in enumerate(workers):
        status = worker.poll()
        if status is None:
            continue
        log.warning("worker_ended", worker=index, status=status)
        if stop.wait(_RESTART_SECONDS):
            return
        workers[index] = _start(settings, index)


def _end(workers: list[subprocess.Popen[bytes]], seconds: float) -> None:
    """Tell all workers to leave, and make them once their time is over."""
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + seconds
    for worker in workers:
        try:
            worker.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()


def _start(settings: Settings, number: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "opamp_gateway", "serve"]
    return subprocess.Popen(command, env=environment_of_worker(settings, number))  # noqa: S603 - our own module
