"""The one place that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

URL_VARIABLE = "OPAMPCTL_URL"
TOKEN_VARIABLE = "OPAMPCTL_TOKEN"  # noqa: S105 - the name of a variable
CONTEXT_VARIABLE = "OPAMPCTL_CONTEXT"
CONFIG_VARIABLE = "OPAMPCTL_CONFIG"
PASSWORD_VARIABLE = "OPAMPCTL_PASSWORD"  # noqa: S105 - the name of a variable
ENROLMENT_TOKEN_VARIABLE = "OPAMPCTL_ENROLMENT_TOKEN"  # noqa: S105 - the name of a variable
ENDPOINT_VARIABLE = "OPAMPCTL_ENDPOINT"

DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Settings:
    """What the environment says; None = nothing."""

    url: str | None
    """Base URL of the API gateway; wins over the context file."""
    token: str | None
    """Access token; wins over the context file and is never refreshed."""
    context: str | None
    """Name of the context to use."""
    password: str | None
    """Password for `login`, so that scripts need no terminal."""
    enrolment_token: str | None
    """Token simulated agents present."""
    endpoint: str | None
    """OpAMP endpoint simulated agents connect to."""
    config_file: Path
    """Where contexts are kept."""


def read_settings() -> Settings:
    """Read the environment; empty variables count as absent."""
    environment = os.environ  # noqa: TID251 - this is the settings module

    def value(name: str) -> str | None:
        return environment.get(name) or None

    home = Path(value("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Settings(
        url=value(URL_VARIABLE),
        token=value(TOKEN_VARIABLE),
        context=value(CONTEXT_VARIABLE),
        password=value(PASSWORD_VARIABLE),
        enrolment_token=value(ENROLMENT_TOKEN_VARIABLE),
        endpoint=value(ENDPOINT_VARIABLE),
        config_file=Path(value(CONFIG_VARIABLE) or home / "opampctl" / "config.json"),
    )
