"""`opampctl conformance` as a person runs it."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import threading
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from conformancelab.server import TOKEN, Server, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rest_double import Run

ROWS = "S-001,S-008,S-019,S-205"


class Elsewhere:
    """A server in a thread of its own: the command runs a loop itself."""

    def __init__(self, *sins: str) -> None:
        self._sins = sins
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.server: Server | None = None

    def __enter__(self) -> str:
        self._thread.start()
        assert self._ready.wait(30)
        assert self.server is not None
        return f"ws://127.0.0.1:{self.server.port}/v1/opamp"

    def __exit__(self, *_exc: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with running(*self._sins) as self.server:
            self._ready.set()
            await self._over.wait()


@pytest.fixture
def honest() -> Iterator[str]:
    """Give the address of a server that does everything right."""
    with Elsewhere() as endpoint:
        yield endpoint


def test_honest_server_ends_with_zero(anonymous: Run, honest: str) -> None:
    """No row failed: 0, the counts on stdout, progress on stderr."""
    result = anonymous("conformance", "--endpoint", honest, "--token", TOKEN, "--only", ROWS)

    assert result.exit_code == 0, result.output
    assert "3 of 3 applicable MUST and SHOULD rows pass." in result.stdout
    assert "S-205 pass" in result.stderr


def test_sinner_ends_with_one(anonymous: Run) -> None:
    """A MUST or SHOULD row failed: 1, with the bytes that show it."""
    with Elsewhere("wordless errors") as endpoint:
        result = anonymous("conformance", "--endpoint", endpoint, "--token", TOKEN, "--only", ROWS, "-q")

    assert result.exit_code == 1
    assert "FAIL S-205 SHOULD" in result.stdout
    assert "< " in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--endpoint", "ftp://h"), "is no ws, wss, http or https URL"),
        (("--endpoint", "ws://127.0.0.1:1/x"), "There is no connection to 127.0.0.1:1"),
        (("--only", "S-999"), "There is no row S-999."),
        (("--header", "nonsense"), "is no header"),
        (("--endpoint", "ws://127.0.0.1:1", "--api-url", "nonsense"), "is not the address of a platform"),
    ],
    ids=["scheme", "nobody", "row", "header", "api"],
)
def test_what_cannot_run_ends_with_two(anonymous: Run, options: tuple[str, ...], said: str) -> None:
    """A run that cannot be made: 2, with the reason."""
    result = anonymous("conformance", *options)

    assert result.exit_code == 2
    assert said in result.stderr


def test_reports_are_written_to_a_file(anonymous: Run, honest: str, tmp_path: Path) -> None:
    """JSON and JUnit go where they are told, and nothing else goes to stdout."""
    for shape in ("json", "junit"):
        file = tmp_path / shape
        options = ("--endpoint", honest, "--token", TOKEN, "--only", "S-001", "-q", "--report", shape, "-o", str(file))
        result = anonymous("conformance", *options)
        assert (result.exit_code, result.stdout) == (0, "")

    assert json.loads((tmp_path / "json").read_text())["rows"][0]["verdict"] == "pass"
    assert ET.parse(tmp_path / "junit").getroot().get("failures") == "0"  # noqa: S314 - written by ourselves


def test_stimulus_command_moves_the_server(anonymous: Run, honest: str) -> None:
    """A program that cannot do what is asked makes the rows not applicable, with its name for it."""
    command = shlex.join([sys.executable, "-c", "import sys; sys.exit(3)"])
    options = ("--endpoint", honest, "--token", TOKEN, "--only", "S-178", "-q", "--report", "json")
    result = anonymous("conformance", *options, "--stimulus-command", command)

    row = json.loads(result.stdout)["rows"][0]
    assert (row["verdict"], row["said"]) == ("not applicable", "the stimulus command cannot show agent")


def test_help_names_every_action(anonymous: Run) -> None:
    """Whoever writes a stimulus command finds its actions in --help."""
    result = anonymous("conformance", "--help")

    assert "offer_connection_settings" in result.stdout
