"""The first admin and the first enrolment token: made by the services' own commands, told once."""

from __future__ import annotations

import json
import subprocess
import sys
from secrets import token_hex
from typing import TYPE_CHECKING

from devstack.errors import StackError
from devstack.services import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ADMIN = "admin"
ADMIN_EXISTS = 3
"""What `api_gateway create-admin` ends with when there is such a user."""

TENANT = "default"
FIRST_TOKEN = "first-token"  # noqa: S105  # its name, not its secret
COMMAND_SECONDS = 60.0


class CommandFailed(StackError):
    """A command of a service ended with another code than 0."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def make_admin(settings: Mapping[str, str], say: Callable[[str], None], refused: str = "") -> tuple[str, str]:
    """
    Make an admin; under another name when `admin` exists with a password we do not know.

    That is so after a crash between making one and remembering it, where the data folder is lost
    but the database is not, and once a person has changed the password.

    Args:
        settings: Of api-gateway, as environment variables.

        say: Hears about the other name.

        refused: The admin of an earlier start, if the API does not let it in any more; it is left alone.

    Returns:
        User name and password.

    Raises:
        StackError: The command failed.
    """
    if refused:
        return _make_other(settings, say, f"{refused} cannot log in with the password of the last start")
    try:
        return _create(ADMIN, settings)
    except CommandFailed as exc:
        if exc.code != ADMIN_EXISTS:
            raise
    return _make_other(settings, say, f"the database has a user {ADMIN} whose password is not known here")


def _make_other(settings: Mapping[str, str], say: Callable[[str], None], why: str) -> tuple[str, str]:
    name = f"{ADMIN}-{token_hex(3)}"
    say(f"{why}; making {name}")
    return _create(name, settings)


def _create(name: str, settings: Mapping[str, str]) -> tuple[str, str]:
    made = _run("api_gateway", ["create-admin", "--username", name, "--json"], settings)
    return made["username"], made["password"]


def make_token(settings: Mapping[str, str]) -> str:
    """
    Make an enrolment token with the settings of agent-state; returns its secret.

    Raises:
        StackError: The command failed.
    """
    arguments = ["create-enrolment-token", "--tenant", TENANT, "--name", FIRST_TOKEN, "--json"]
    return _run("agent_state", arguments, settings)["secret"]


def _run(package: str, arguments: list[str], settings: Mapping[str, str]) -> dict[str, str]:
    """Run `python -m <package> …` to its end; JSON from its last line, its last complaint as our error."""
    what = f"{package} {arguments[0]}"
    try:
        done = subprocess.run(
            [sys.executable, "-m", package, *arguments],
            env=environment(settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired:
        message = f"{what} did not end within {COMMAND_SECONDS:.0f} s"
        raise StackError(message) from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        message = f"{what} failed with code {done.returncode}: {said}"
        raise CommandFailed(message, done.returncode)
    found: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
