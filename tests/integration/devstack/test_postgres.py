"""The PostgreSQL server of a stack."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from devstack import postgres
from devstack.errors import StackError
from devstack.ports import free_port
from devstack.postgres import DURABLE, FORGETFUL, PostgresServer
from world.folders import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another user")


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Give a server that is not started."""
    folder = make_folder("postgres")
    made = PostgresServer(folder, free_port(), "pass word/@:", options=FORGETFUL)
    yield made
    made.process.kill()
    shutil.rmtree(folder, ignore_errors=True)


async def _ask(server: PostgresServer, question: str) -> Any:
    connection = await asyncpg.connect(server.url(), timeout=30)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_first_start_initialises(server: PostgresServer) -> None:
    """Version 18 with checksums, a password, and no door but loopback."""
    server.start()

    assert (await _ask(server, "SHOW server_version")).startswith("18.")
    assert await _ask(server, "SHOW data_checksums") == "on"
    assert await _ask(server, "SHOW listen_addresses") == "127.0.0.1"
    assert await _ask(server, "SHOW unix_socket_directories") == ""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url(password="wrong"))  # that is the point
    assert not list(server.folder.glob("*.password"))


async def test_data_survives_kill_and_restart(server: PostgresServer) -> None:
    """After kill -9 it recovers by itself and has what was committed."""
    server.start()
    connection = await asyncpg.connect(server.url())
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    await connection.close()
    server.process.kill()

    server.start()

    assert await _ask(server, "SELECT one FROM kept") == 1
    server.stop()
    assert server.process.exit_code == 0


async def test_lock_of_a_stranger_is_forgotten(server: PostgresServer) -> None:
    """A process id that belongs to another program by now does not keep the server from starting."""
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")

    server.start()

    assert await _ask(server, "SELECT 1") == 1


def test_second_server_on_the_same_data_is_refused(server: PostgresServer) -> None:
    """The message names the process that has it."""
    server.start()
    other = PostgresServer(server.folder, free_port(), "pass word/@:", log_path=server.folder / "other.log")

    with pytest.raises(StackError, match=rf"already runs on .* \(process {server.process.pid}\)"):
        other.start()


def test_half_an_initialisation_is_done_again(server: PostgresServer) -> None:
    """What an interrupted first start left behind is never taken for data."""
    (server.folder / "data.new").mkdir()
    (server.folder / "data.new" / "rest").touch()

    server.start()

    assert not (server.folder / "data.new").exists()


def test_refusal_of_initdb_is_one_line(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word is told."""
    monkeypatch.setattr(postgres, "SUPERUSER", "pg_not_allowed")

    with pytest.raises(StackError, match=r'cannot be initialised in .*"pg_"') as caught:
        server.start()

    assert "\n" not in str(caught.value)


def test_missing_wheel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to do."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(StackError, match="run 'make setup', or point FLEET_POSTGRES_URL"):
        postgres.binary("postgres")


def test_only_tests_forget() -> None:
    """What people run syncs its writes."""
    assert "fsync" not in DURABLE
    assert FORGETFUL["fsync"] == "off"


@as_root
def test_closed_parent_is_passed(tmp_path: Path) -> None:
    """A project below a folder only root may enter works all the same, without opening the folder."""
    tmp_path.chmod(0o700)
    server = PostgresServer(tmp_path / "pg", free_port(), "x", options=FORGETFUL)
    try:
        server.start()

        assert server.accepts()
    finally:
        server.process.kill()
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@as_root
def test_user_is_made_when_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root without any known user makes one, and says what to do when that fails."""
    asked: list[list[str]] = []

    def useradd(argv: list[str], **_more: object) -> None:
        asked.append(argv)
        monkeypatch.setattr(postgres, "OWN_USER", "nobody")

    monkeypatch.setattr(postgres, "KNOWN_USERS", ("no-such-user",))
    monkeypatch.setattr(subprocess, "run", useradd)
    server = PostgresServer(tmp_path, free_port(), "x")
    assert asked[0][0] == "useradd"
    assert server.process.identity is not None
    assert server.process.identity.uid == pwd.getpwnam("nobody").pw_uid

    monkeypatch.setattr(postgres, "OWN_USER", "no-such-user")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    with pytest.raises(StackError, match="run as another user, or point FLEET_POSTGRES_URL"):
        PostgresServer(tmp_path, free_port(), "x")
