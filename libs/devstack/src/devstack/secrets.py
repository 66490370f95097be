"""
The passwords of one stack: made at the first start, kept in its data folder, readable by its owner only.

Without them the data is of no use, so data without them is refused rather than overwritten.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from devstack.errors import StackError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "secrets.json"


def _password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Secrets:
    """What the servers and the first person and agent need to get in."""

    postgres: str = field(default_factory=_password)
    nats: str = field(default_factory=_password)
    redis: str = field(default_factory=_password)
    s3: str = field(default_factory=_password)
    agent_state: str = field(default_factory=_password)
    config_service: str = field(default_factory=_password)
    package_service: str = field(default_factory=_password)
    api_gateway: str = field(default_factory=_password)
    admin_user: str = ""
    admin_password: str = ""
    """Empty until the first admin exists."""

    enrolment_token: str = ""
    """Empty until it was made."""

    def with_admin(self, user: str, password: str) -> Secrets:
        """Remember the first admin."""
        return replace(self, admin_user=user, admin_password=password)

    def with_token(self, token: str) -> Secrets:
        """Remember the enrolment token."""
        return replace(self, enrolment_token=token)

    def save(self, data: Path) -> None:
        """Write them, whole or not at all."""
        write_private(data / FILE, json.dumps(asdict(self), indent=2) + "\n")


def load_or_make(data: Path) -> Secrets:
    """
    Read the secrets of a data folder, or make them for a new one.

    Raises:
        StackError: There is data but no usable secrets for it.
    """
    path = data / FILE
    try:
        return Secrets(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        if (data / "postgres" / "data").exists():
            message = f"{data} holds data without its passwords: put {path} back, or remove {data} to start anew"
            raise StackError(message) from None
    except (OSError, ValueError, TypeError) as exc:
        message = f"{path} cannot be read ({exc}): put a copy back, or remove {data}"
        raise StackError(message) from exc
    made = Secrets()
    made.save(data)
    return made


def write_private(path: Path, text: str) -> None:
    """Replace a file by another that only its owner may read; a reader sees the old or the new, never half."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)
