from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from servicekit.runner import version_of
from world.postgres import Database

PROGRAM = """
import asyncio, sys
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from servicekit.runner import Command, main
from servicekit.settings import ServiceSettings

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TOY_")
    postgres_url: SecretStr = SecretStr("")
    fail: bool = False

async def build(room, settings):
    async def drained():
        print("drained", flush=True)
    async def closed():
        print("closed", flush=True)
    async def work():
        if settings.fail:
            raise RuntimeError("the work failed")
        print("working", flush=True)
        await asyncio.Event().wait()
    room.stack.push_async_callback(closed)
    room.on_drain(drained)
    room.spawn(work(), "work")

async def greet(settings, arguments):
    print("hello", arguments.name)
    return 7

def arguments(parser):
    parser.add_argument("--name", default="nobody")

migrations = "servicekit" if "--no-tables" not in sys.argv else None
if "--no-tables" in sys.argv:
    sys.argv.remove("--no-tables")
main("toy", Settings, build, migrations=migrations, commands={"greet": Command(greet, "Greet.", arguments)})
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Give a small service."""
    path = tmp_path / "toy.py"
    path.write_text(PROGRAM)
    return path


def run(program: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the service's command line to its end."""
    return subprocess.run(
        [sys.executable, program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def start(program: Path, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
    """Start the service and wait until it works."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        program,
        *arguments,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert (await asyncio.wait_for(process.stdout.readline(), 60)) == b"working\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_then_closes(program: Path, number: signal.Signals) -> None:
    """Told to stop, a service drains, closes its parts in reverse and ends with 0."""
    process = await start(program, "--no-tables")
    process.send_signal(number)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert out.decode().split() == ["drained", "closed"]
    assert process.returncode == 0


async def test_a_service_migrates_before_it_serves(program: Path, postgres: Database) -> None:
    """Tables are there when the work begins; `migrate` alone says how many files it applied."""
    url = postgres.url_for("agent-state")
    only = run(program, "migrate", TOY_POSTGRES_URL=url)
    assert only.stdout == "applied 1 migrations\n"
    process = await start(program, TOY_POSTGRES_URL=url)
    process.terminate()
    await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0


def test_failing_work_ends_the_service(program: Path) -> None:
    """A background task that fails ends the process with 1 and one logged traceback."""
    done = run(program, "--no-tables", TOY_FAIL="true", TOY_LOG_FORMAT="json")
    assert done.returncode == 1
    assert "the work failed" in done.stderr


def test_a_taken_ops_port_is_one_sentence(program: Path) -> None:
    """A port in use is reported without a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(program, "--no-tables", TOY_OPS_PORT=str(taken.getsockname()[1]), TOY_LOG_FORMAT="json")
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_and_settings(program: Path) -> None:
    """A service's own command gets its arguments and gives its status; `settings` masks secrets."""
    greeted = run(program, "greet", "--name", "you")
    assert (greeted.stdout, greeted.returncode) == ("hello you\n", 7)
    shown = run(program, "settings", TOY_POSTGRES_URL="postgresql://u:s3cret@h/d")
    assert "TOY_OPS_PORT=0" in shown.stdout
    assert "s3cret" not in shown.stdout


def test_unknown_distributions_have_no_version() -> None:
    """A name that is not installed still has something to print."""
    assert version_of("no-such-thing") == "0.0.0"
    assert version_of("fleet-servicekit") != "0.0.0"
