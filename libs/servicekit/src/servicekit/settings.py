"""
Settings: one frozen class per service, read once, all faults told at once.

Every field can come from the environment as <PREFIX><FIELD>, or from a file named by <PREFIX><FIELD>_FILE
(for secrets mounted as files). An unknown variable with the service's prefix is a fault, not a surprise.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from servicekit.log import Format, Level

S = TypeVar("S", bound="ServiceSettings")

FILE_SUFFIX = "_FILE"


class ServiceSettings(BaseSettings):
    """What every service can be told. Subclasses set env_prefix in model_config."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True)

    nats_url: Annotated[
        SecretStr,
        Field(description="NATS server, nats://user:password@host:port; several separated by commas."),
    ] = SecretStr("nats://127.0.0.1:4222")
    log_level: Annotated[
        Level,
        Field(description="debug, info, warning or error; changeable at run time with PUT /log-level on the ops port."),
    ] = "info"
    log_format: Annotated[
        Format, Field(description="json, console, or auto: console in a terminal, JSON elsewhere.")
    ] = "auto"
    ops_host: Annotated[str, Field(description="Address of the ops port: health, readiness, metrics, log level.")] = (
        "127.0.0.1"
    )
    ops_port: Annotated[int, Field(ge=0, le=65535, description="Ops port; 0 takes a free one.")] = 0
    migrate: Annotated[bool, Field(description="Apply database migrations at start (services with a database).")] = True

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave reading to read(): a second reader of the environment would want lists as JSON."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def load(cls: type[S]) -> S:
    """Read the settings or end the process with every fault on stderr and status 2."""
    try:
        return read(cls, os.environ)  # noqa: TID251 - the one reader of the environment
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


class SettingsError(Exception):
    """Settings that cannot be used; the text lists every fault."""


def read(cls: type[S], environment: Any) -> S:
    """
    Build settings from an environment mapping.

    Raises:
        SettingsError: One line per fault, each naming the variable.
    """
    prefix = str(cls.model_config.get("env_prefix", ""))
    faults: list[str] = []
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.upper().startswith(prefix) or text == "":
            continue
        field, value = name[len(prefix) :].lower(), text
        if field not in cls.model_fields and field.endswith(FILE_SUFFIX.lower()):
            field = field.removesuffix(FILE_SUFFIX.lower())
            try:
                value = Path(text).read_text().strip()
            except OSError as error:
                faults.append(f"{name}: cannot read {text}: {error.strerror}")
                continue
        if field not in cls.model_fields:
            faults.append(f"{name}: no such setting; `settings` lists them")
            continue
        values[field] = value
    settings: S | None = None
    try:
        settings = cls.model_validate(_parsed(cls, values))
    except ValidationError as error:
        for fault in error.errors():
            field = str(fault["loc"][0]) if fault["loc"] else ""
            faults.append(f"{prefix}{field.upper()}: {fault['msg']}" if field else fault["msg"])
    if faults or settings is None:
        raise SettingsError("Settings cannot be used:\n  " + "\n  ".join(sorted(faults)))
    return settings


def _parsed(cls: type[ServiceSettings], values: dict[str, Any]) -> dict[str, Any]:
    """Split comma-separated text for fields that hold several values."""
    result = {}
    for field, value in values.items():
        annotation = str(cls.model_fields[field].annotation)
        if annotation.startswith(("tuple", "list", "frozenset")):
            result[field] = tuple(part.strip() for part in value.split(",") if part.strip())
        else:
            result[field] = value
    return result


def describe(settings: ServiceSettings) -> list[tuple[str, str, str]]:
    """List (variable, value in effect with secrets masked, sentence) for every field."""
    prefix = str(type(settings).model_config.get("env_prefix", ""))
    return [
        (f"{prefix}{name.upper()}", str(getattr(settings, name)), field.description or "")
        for name, field in type(settings).model_fields.items()
    ]
