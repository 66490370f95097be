"""Files to and from the platform on the command line, over connections that break."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from opampctl.commands import packages_transfer
from opampctl.main import app
from world.eventually import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from world.platform import Platform

MIB = 1024 * 1024


class Person:
    """Somebody at a terminal, logged in to the platform."""

    def __init__(self, platform: Platform, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPAMPCTL_CONFIG", str(home / "config.json"))
        monkeypatch.setenv("OPAMPCTL_URL", platform.run_json["api_url"])
        self.platform = platform
        self.home = home

    async def run(self, *words: str) -> Result:
        """Run a command; the platform and this test go on meanwhile."""
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    async def upload(self, file: Path, version: str, *more: str) -> Result:
        """Upload a file as the collector of this version."""
        words = ["--name", "collector", "--version", version, "--platform", "linux", "-o", "json"]
        return await self.run("packages", "upload", str(file), *words, *more)


@pytest.fixture
async def person(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Give a person with a platform."""
    await platform.start()
    api: Any = platform.api
    await api.login()
    monkeypatch.setenv("OPAMPCTL_TOKEN", api.client.headers["Authorization"].removeprefix("Bearer "))
    return Person(platform, tmp_path, monkeypatch)


def program(path: Path, size: int) -> Path:
    """Write a program nobody has seen before."""
    path.write_bytes(b"\x7fELF" + os.urandom(size - 4))
    return path


async def test_up_and_down_again(person: Person, tmp_path: Path) -> None:
    """The same bytes come back under the name of the package; the same content is not sent twice."""
    file = program(tmp_path / "otelcol", 13 * MIB)

    made = await person.upload(file, "1.0.0", "--description", "The one")
    again = await person.upload(file, "1.0.0")
    other = await person.upload(program(tmp_path / "other", 1000), "1.0.0")

    assert made.exit_code == 0, made.output
    package = json.loads(made.stdout)
    assert (package["file_size"], package["description"]) == (13 * MIB, "The one")
    assert json.loads(again.stdout)["id"] == package["id"]
    assert "there already" in again.stderr
    assert other.exit_code == 6
    target = tmp_path / "back"
    got = await person.run("packages", "download", package["id"], str(target))
    assert got.exit_code == 0, got.output
    assert target.read_bytes() == file.read_bytes()
    assert not (tmp_path / "back.part").exists()


async def test_download_goes_on_with_what_is_there(person: Person, tmp_path: Path) -> None:
    """Half a file is completed; half of something else is found out and thrown away."""
    file = program(tmp_path / "otelcol", 3 * MIB)
    package = json.loads((await person.upload(file, "1.1.0")).stdout)
    target, part = tmp_path / "back", tmp_path / "back.part"

    part.write_bytes(file.read_bytes()[:MIB])
    assert (await person.run("packages", "download", package["id"], str(target))).exit_code == 0
    assert target.read_bytes() == file.read_bytes()

    part.write_bytes(b"x" * MIB)
    wrong = await person.run("packages", "download", package["id"], str(target))
    assert wrong.exit_code == 1
    assert not part.exists()

    part.write_bytes(b"x" * 4 * MIB)
    assert (await person.run("packages", "download", package["id"], str(target))).exit_code == 0


async def test_upload_survives_a_kill(person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """package-service dies in the middle and comes back: the command ends well, and the bytes are right."""
    monkeypatch.setattr(packages_transfer, "PARTS_AT_ONCE", 1)
    file = program(tmp_path / "otelcol", 60 * MIB)
    running = asyncio.ensure_future(person.upload(file, "1.2.0"))

    async def moving() -> bool:
        return bool((await person.platform.api.get("/packages/statistics"))["open_uploads"])

    await wait_until(moving)
    person.platform.kill("package-service")
    await person.platform.restart("package-service")

    made = await running
    assert made.exit_code == 0, made.output
    target = tmp_path / "back"
    await person.run("packages", "download", json.loads(made.stdout)["id"], str(target))
    assert target.read_bytes() == file.read_bytes()


async def test_upload_is_given_up_and_gone_on_with(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store is away patience ends; another run with --resume goes on."""
    monkeypatch.setattr(packages_transfer, "TRIES", 2)
    monkeypatch.setattr(packages_transfer, "FIRST_WAIT_SECONDS", 0.01)
    file = program(tmp_path / "otelcol", 8 * MIB)
    person.platform.kill("s3")

    failed = await person.upload(file, "1.3.0")

    assert failed.exit_code == 7, failed.output
    upload_id = failed.stderr.split("--resume ")[1].split()[0]
    await person.platform.restart("s3")
    shorter = await person.upload(program(tmp_path / "short", 10), "1.3.0", "--resume", upload_id)
    assert shorter.exit_code == 2
    made = await person.upload(file, "1.3.0", "--resume", upload_id)
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["file_size"] == 8 * MIB


async def test_wrong_words_are_told(person: Person, tmp_path: Path) -> None:
    """The field is named; a file that is none is a usage error."""
    file = program(tmp_path / "otelcol", 100)

    wrong = await person.upload(file, "latest")
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    no_program = await person.upload(script, "9.0.0")

    assert wrong.exit_code == 1
    assert "version" in wrong.stderr
    assert no_program.exit_code == 1
    assert "ELF" in no_program.stderr
    assert (await person.run("packages", "download", "nothing")).exit_code == 5
    assert (await person.upload(tmp_path / "missing", "1.0.0")).exit_code == 2
