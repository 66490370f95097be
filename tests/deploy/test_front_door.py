"""`make` on a machine where something is missing: one line that says what to do, and nothing half-made stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deployment.rooms import ROOT

CLOSED_INDEX = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
SECONDS = 60


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give what `make setup` reads before it installs anything."""
    for name in ("Makefile", "constraints.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    for project in [
        *ROOT.glob("libs/*/pyproject.toml"),
        *ROOT.glob("services/*/pyproject.toml"),
        ROOT / "cli/pyproject.toml",
    ]:
        copy = tmp_path / project.relative_to(ROOT)
        copy.parent.mkdir(parents=True)
        shutil.copy(project, copy)
    return tmp_path


def make(tree: Path, *words: str) -> tuple[list[str], str]:
    """Run make, which must fail; returns the lines of ours among the complaints, and the rest of what it said."""
    inherited = ("PATH", "HOME", "LANG", "TMPDIR")
    environment = {name: os.environ[name] for name in inherited if name in os.environ}
    done = subprocess.run(
        ["make", *words],
        cwd=tree,
        env=environment | CLOSED_INDEX,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    return [line for line in done.stderr.splitlines() if not line.startswith("make")], done.stdout


def python_that(tree: Path, script: str) -> str:
    """Write a program that answers as *script* says, and is our own Python where it says nothing."""
    program = tree / "python"
    program.write_text(f'#!/bin/sh\n{script}\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_closed_index_is_one_line(tree: Path) -> None:
    """What pip says goes to a file that is named; a broken environment of an earlier try is made afresh."""
    broken = tree / ".venv" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)

    lines, said = make(tree, "setup", f"PYTHON={sys.executable}")

    assert lines == ["Could not install packages: is a package index reachable? What pip said is in .venv/pip.log"]
    assert ".venv is not usable, making it afresh" in said
    assert "ERROR" in (tree / ".venv" / "pip.log").read_text()
    subprocess.run([broken, "-m", "pip", "--version"], check=True, capture_output=True, timeout=SECONDS)


def test_python_without_venv_is_one_line(tree: Path) -> None:
    """As on Debian without python3-venv: the half-made folder goes, and the package is named."""
    python = python_that(tree, 'if [ "$2" = venv ]; then mkdir -p "$3/bin"; echo a; echo "no ensurepip"; exit 1; fi')

    lines, _ = make(tree, "setup", f"PYTHON={python}")

    assert len(lines) == 1
    assert "install python3-venv" in lines[0]
    assert lines[0].endswith("Python said: no ensurepip")
    assert not (tree / ".venv").exists()


@pytest.mark.parametrize("target", ["setup", "run", "demo", "up", "lock"])
def test_missing_python_is_one_line(tree: Path, target: str) -> None:
    """Whatever needs it says so, and what to set."""
    lines, _ = make(tree, target, "PYTHON=/nope")

    assert lines == ["There is no /nope: install Python 3.11 or newer, or set PYTHON=/path/to/python3.11"]


def test_old_python_is_one_line(tree: Path) -> None:
    """Its version is told, and nothing is made with it."""
    pretend = "import sys; sys.version_info = (3, 9, 18); sys.version = '3.9.18 (main)'; exec(sys.argv[1])"
    python = python_that(tree, f'[ "$1" = -c ] && exec {sys.executable} -c "{pretend}" "$2"')

    lines, _ = make(tree, "setup", f"PYTHON={python}")

    assert lines == ["OpAMP Platform needs Python 3.11 or newer, this is 3.9.18; set PYTHON=/path/to/python3.11"]
    assert not (tree / ".venv").exists()
