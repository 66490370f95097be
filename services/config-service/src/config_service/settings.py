"""What config-service can be told."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from servicekit.settings import ServiceSettings

NoMatchPolicy = Literal["keep_last", "fallback"]


class ConfigServiceSettings(ServiceSettings):
    """Environment variables CONFIG_SERVICE_*."""

    model_config = SettingsConfigDict(env_prefix="CONFIG_SERVICE_")

    postgres_url: Annotated[
        SecretStr,
        Field(description="PostgreSQL, as the role config_service: postgresql://user:password@host:port/database."),
    ]
    redis_url: Annotated[SecretStr, Field(description="Redis with the connection registry; a cache.")] = SecretStr(
        "redis://127.0.0.1:6379/0"
    )
    pool_size: Annotated[int, Field(ge=6, le=100, description="Database connections at most.")] = 12

    stream_replicas: Annotated[
        int, Field(ge=1, le=5, description="Copies JetStream keeps of each stream; 3 in a NATS cluster.")
    ] = 1

    no_match_policy: Annotated[
        NoMatchPolicy,
        Field(description="When nothing matches an agent: keep_last sends nothing, fallback offers the one named."),
    ] = "keep_last"
    fallback_configuration: Annotated[
        str,
        Field(description="Name of the configuration for agents that nothing matches; needs NO_MATCH_POLICY=fallback."),
    ] = ""

    connect_grace_seconds: Annotated[
        float,
        Field(
            ge=0,
            description="After a reconnect the gateway offers from the registry; wait this long before offering too.",
        ),
    ] = 2.0
    redo_first_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="An offer that was not delivered is repeated after this, then after twice as long each time.",
        ),
    ] = 10.0
    redo_most_seconds: Annotated[
        float, Field(gt=0, description="Longest pause between repeats of an undelivered offer.")
    ] = 60.0
    probe_after_seconds: Annotated[
        float,
        Field(gt=0, description="An agent that got an offer and stays silent this long is asked for its full state."),
    ] = 15.0
    report_timeout_seconds: Annotated[
        float, Field(gt=0, description="An agent that got an offer and stays silent this long has timed out.")
    ] = 60.0
    applying_timeout_seconds: Annotated[
        float, Field(gt=0, description="An agent that says APPLYING this long has timed out.")
    ] = 300.0
    soak_seconds: Annotated[
        float,
        Field(
            ge=0, description="How long an applied configuration must be healthy and in effect to count as confirmed."
        ),
    ] = 30.0
    max_timeouts: Annotated[int, Field(ge=1, description="Silent attempts in a row before waiting for a person.")] = 5

    sweep_interval_seconds: Annotated[
        float, Field(gt=0, le=60, description="How often agents that are due are looked at.")
    ] = 1.0
    level_interval_seconds: Annotated[
        float,
        Field(
            gt=0, le=60, description="How often desired and reported are compared for every agent, whatever was heard."
        ),
    ] = 30.0
    offer_chunk: Annotated[int, Field(ge=1, le=20000, description="Agents per offer message.")] = 2000
    inline_content_bytes: Annotated[
        int,
        Field(
            ge=0, le=65536, description="Content up to this size travels inside the offer; larger is fetched by hash."
        ),
    ] = 65536
    attempt_retention_days: Annotated[int, Field(ge=1, description="Days the attempt ledger is kept.")] = 90

    @model_validator(mode="after")
    def _fallback_is_named(self) -> Self:
        if self.no_match_policy == "fallback" and not self.fallback_configuration:
            message = "FALLBACK_CONFIGURATION must name a configuration when NO_MATCH_POLICY is fallback"
            raise ValueError(message)
        return self

    @property
    def fallback(self) -> str:
        """Name of the fallback configuration; empty = none."""
        return self.fallback_configuration if self.no_match_policy == "fallback" else ""
