"""What agent-state can be told: environment variables AGENT_STATE_*."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from servicekit.settings import ServiceSettings

_Seconds = Annotated[float, Field(gt=0, le=86_400)]
MIN_KEY_BYTES = 32


class Settings(ServiceSettings):
    """Settings of agent-state."""

    model_config = SettingsConfigDict(
        env_prefix="AGENT_STATE_",
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    postgres_url: Annotated[
        SecretStr, Field(description="postgresql:// URL of the role agent_state, which owns its schema only.")
    ]
    postgres_connections: Annotated[
        int, Field(ge=6, le=100, description="Database connections for facts, presence and sweeps at most.")
    ] = 12
    postgres_answer_connections: Annotated[
        int,
        Field(ge=1, le=100, description="Database connections kept for answering questions, whatever else goes on."),
    ] = 4
    stream_replicas: Annotated[
        int, Field(ge=1, le=5, description="Copies JetStream keeps of facts and events; 3 on a cluster.")
    ] = 1
    gateway_lease_seconds: Annotated[
        _Seconds, Field(description="A gateway not heard from for this long is dead, and its agents offline.")
    ] = 10.0
    presence_beat_seconds: Annotated[
        _Seconds, Field(description="How often gateways say who is there; nothing is judged before one more beat.")
    ] = 3.0
    presence_flush_seconds: Annotated[_Seconds, Field(description="How often heard presence is written down.")] = 1.0
    silence_seconds: Annotated[
        _Seconds, Field(description="A connected agent not heard from for this long is offline.")
    ] = 60.0
    sweep_seconds: Annotated[_Seconds, Field(description="How often silent agents are looked for.")] = 30.0
    lease_check_seconds: Annotated[_Seconds, Field(description="How often dead gateways are looked for.")] = 2.0
    adopt_seconds: Annotated[
        _Seconds,
        Field(
            description="An agent gateways keep naming without a Connected fact is taken as connected after this long."
        ),
    ] = 15.0
    fuse_fraction: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="If more than this part of the fleet falls silent at once, wait once more before believing it.",
        ),
    ] = 0.2
    connection_retention_days: Annotated[
        int, Field(ge=1, le=3650, description="How long closed connections stay in the history.")
    ] = 90
    metrics_refresh_seconds: Annotated[
        _Seconds, Field(description="How old the figures about the fleet on /metrics may be.")
    ] = 10.0
    max_report_bytes: Annotated[
        int,
        Field(
            ge=1024,
            le=1 << 26,
            description="Larger descriptions, health trees and the like are not stored, but counted.",
        ),
    ] = 1 << 20
    opamp_public_url: Annotated[
        str,
        Field(
            pattern=r"^$|^(ws|wss|http|https)://[^/?#@\s]+[^?#\s]*$",
            description="Where agents reach the gateways, like wss://opamp.example.org/v1/opamp. Without it no OpAMP "
            "connection settings are offered, credentials included.",
        ),
    ] = ""
    opamp_public_ca: Annotated[
        str,
        Field(description="Certificates (PEM) that verify that address; told to agents with OpAMP settings."),
    ] = ""
    allow_insecure_tls_offers: Annotated[
        bool, Field(description="Whether connection settings may tell agents to verify no certificate.")
    ] = False
    verdict_seconds: Annotated[
        int,
        Field(ge=0, le=3600, description="How long gateways may remember whom a token or credential lets in."),
    ] = 30
    credential_key: Annotated[
        SecretStr | None,
        Field(
            description="At least 32 random characters, the same in every replica: agents' own credentials are derived "
            "from it. Without it no tokens that issue credentials can be made. Another key renews them all."
        ),
    ] = None
    credential_lifetime_days: Annotated[
        int,
        Field(ge=1, le=3650, description="How long an agent's own bearer credential is good unless its token says."),
    ] = 90
    ca_key: Annotated[
        SecretStr | None,
        Field(description="Private key (PEM) of the CA that signs agents' certificates; `create-ca` makes one."),
    ] = None
    ca_certificate: Annotated[
        SecretStr | None,
        Field(
            description="Certificate (PEM) of that key, and after it older ones still trusted. Without both the "
            "platform issues no certificates."
        ),
    ] = None
    certificate_lifetime_days: Annotated[
        int, Field(ge=1, le=397, description="How long an agent's certificate is good; it asks anew at two thirds.")
    ] = 14
    access_sweep_seconds: Annotated[
        _Seconds,
        Field(description="How often connections of agents that must not be connected are looked for and closed."),
    ] = 5.0
    identity_upkeep_seconds: Annotated[
        _Seconds,
        Field(description="How often credentials due for renewal and ephemeral agents past their time are looked for."),
    ] = 60.0

    @field_validator("credential_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value().encode()) < MIN_KEY_BYTES:
            message = f"must have at least {MIN_KEY_BYTES} characters"
            raise ValueError(message)
        return key

    @model_validator(mode="after")
    def _whole_authority(self) -> Self:
        if (self.ca_key is None) != (self.ca_certificate is None):
            message = "CA_KEY and CA_CERTIFICATE belong together: set both or neither"
            raise ValueError(message)
        return self
