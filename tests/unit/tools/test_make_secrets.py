"""The secret files of a new installation."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from deployment.rooms import ROOT


def make(folder: Path) -> str:
    """Run the tool as people do and return what it says."""
    command = [sys.executable, str(ROOT / "tools" / "make_secrets.py"), "--folder", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return said.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of secrets."""
    made = tmp_path / "secrets"
    make(made)
    return made


def test_every_secret_of_the_compose_file_is_made(folder: Path) -> None:
    """Docker compose finds every file it mounts."""
    wanted = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["secrets"])

    assert wanted <= {path.name for path in folder.iterdir()}


def test_second_run_changes_nothing(folder: Path) -> None:
    """Passwords a database already knows are never replaced."""
    before = {path.name: path.read_text() for path in folder.iterdir()}

    said = make(folder)

    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert "nothing written" in said


def test_folder_is_closed_and_files_are_readable(folder: Path) -> None:
    """Nobody else enters the folder on the host; the container's user reads the file mounted from it."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}


def test_urls_carry_the_passwords(folder: Path) -> None:
    """A URL holds the very password its server is given."""

    def read(name: str) -> str:
        return (folder / name).read_text()

    assert read("agent_state_password") in read("agent_state_postgres_url")
    assert read("nats_url") == f"nats://fleet:{read('nats_password')}@nats:4222"
    assert read("nats_password") in read("nats_auth")
    assert read("redis_auth") == f"requirepass {read('redis_password')}\n"
    assert len({read(name) for name in ("agent_state_password", "nats_password", "redis_password")}) == 3


def test_signing_key_is_ed25519(folder: Path) -> None:
    """The key is one the API gateway can sign with."""
    key = load_pem_private_key((folder / "signing_key").read_bytes(), None)

    assert isinstance(key, Ed25519PrivateKey)
