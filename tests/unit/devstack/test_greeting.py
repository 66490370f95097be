from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from devstack.errors import StackError
from devstack.greeting import CommandFailed, make_admin, make_token

if TYPE_CHECKING:
    from collections.abc import Sequence


class Commands:
    """What commands of services answer, and what they were asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, str, str]) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._answers = list(answers)
        monkeypatch.setattr(subprocess, "run", self._run)

    def _run(self, argv: Sequence[str], **_more: Any) -> subprocess.CompletedProcess[str]:
        self.asked.append(tuple(argv[2:]))
        code, out, err = self._answers.pop(0)
        return subprocess.CompletedProcess(argv, code, out, err)


def test_admin_is_what_the_last_line_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the command prints is not looked at."""
    commands = Commands(monkeypatch, (0, 'a warning\n{"username": "admin", "password": "pw"}\n', ""))

    assert make_admin({}, print) == ("admin", "pw")
    assert commands.asked == [("api_gateway", "create-admin", "--username", "admin", "--json")]


def test_unknown_admin_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An admin whose password we do not know keeps it; another one is made, and that is said."""
    commands = Commands(monkeypatch, (3, "", "there is one"), (0, '{"username": "u", "password": "p"}', ""))
    said: list[str] = []

    assert make_admin({}, said.append) == ("u", "p")
    assert commands.asked[1][3].startswith("admin-")
    assert commands.asked[1][3] in said[0]


def test_refused_admin_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changed the password keeps the account; another admin is made, and that is said in one line."""
    commands = Commands(monkeypatch, (0, '{"username": "u", "password": "p"}', ""))
    said: list[str] = []

    assert make_admin({}, said.append, "admin") == ("u", "p")
    assert commands.asked[0][3].startswith("admin-")
    assert said == [f"admin cannot log in with the password of the last start; making {commands.asked[0][3]}"]


def test_token_is_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """What agents send is returned."""
    Commands(monkeypatch, (0, '{"id": "1", "secret": "oet_1_x"}', ""))

    assert make_token({}) == "oet_1_x"


def test_failed_command_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word and code are told."""
    Commands(monkeypatch, (1, "", "Traceback …\nValueError: bad\n"))

    with pytest.raises(CommandFailed, match=r"^api_gateway create-admin failed with code 1: ValueError: bad$"):
        make_admin({}, print)


def test_command_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever."""

    def hang(*_words: Any, **_more: Any) -> None:
        raise subprocess.TimeoutExpired("x", 60)

    monkeypatch.setattr(subprocess, "run", hang)

    with pytest.raises(StackError, match="agent_state create-enrolment-token did not end within 60 s"):
        make_token({})
