"""What a person can tell the stack: by environment variables, or as `make run NAME=value`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from devstack.errors import StackError
from devstack.ports import Ports

DEFAULT_DATA = Path(".data")


class StackSettings(BaseSettings):
    """Where the stack listens, where it keeps its data, and which servers it finds elsewhere."""

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, hide_input_in_errors=True, populate_by_name=True, extra="ignore"
    )

    port_base: Annotated[int | None, Field(alias="PORT_BASE")] = None
    """Moves every port: the API stands on it, everything else above."""

    gateways: Annotated[int, Field(alias="GATEWAYS", ge=1, le=8)] = 1
    """Processes that agents connect to, each on a port of its own."""

    data_folder: Annotated[Path | None, Field(alias="FLEET_DATA")] = None
    """Everything the stack remembers; .data, or .data/<PORT_BASE> when ports are moved."""

    postgres_url: Annotated[SecretStr | None, Field(alias="FLEET_POSTGRES_URL")] = None
    """A superuser's address of a server to use instead of our own."""

    nats_url: Annotated[SecretStr | None, Field(alias="FLEET_NATS_URL")] = None
    """The same for NATS, with JetStream."""

    redis_url: Annotated[SecretStr | None, Field(alias="FLEET_REDIS_URL")] = None
    """The same for Redis."""

    s3_endpoint: Annotated[str, Field(alias="FLEET_S3_ENDPOINT", pattern="^(https?://.+)?$")] = ""
    """The same for an object store, http://host:port; the bucket agent-packages is made there."""

    s3_access_key: Annotated[SecretStr | None, Field(alias="FLEET_S3_ACCESS_KEY")] = None
    """Login there; without one the AWS variables of the environment count."""

    s3_secret_key: Annotated[SecretStr | None, Field(alias="FLEET_S3_SECRET_KEY")] = None
    """Secret of that login."""

    @property
    def data(self) -> Path:
        """The data folder, absolute."""
        if self.data_folder is not None:
            return self.data_folder.expanduser().resolve()
        chosen = DEFAULT_DATA if self.port_base is None else DEFAULT_DATA / str(self.port_base)
        return chosen.resolve()

    @property
    def ports(self) -> Ports:
        """Every port of the stack."""
        if self.port_base is None:
            return Ports.default(self.gateways)
        return Ports.from_base(self.port_base, self.gateways)


def load() -> StackSettings:
    """
    Read the environment.

    Raises:
        StackError: Something there cannot be used; names each variable.
    """
    try:
        return StackSettings()
    except ValidationError as exc:
        faults = "; ".join(f"{fault['loc'][0] if fault['loc'] else '?'}: {fault['msg']}" for fault in exc.errors())
        message = f"Settings cannot be used: {faults}"
        raise StackError(message) from None
