"""What agent-state can be told: environment variables AGENT_STATE_*."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from servicekit.settings import ServiceSettings

_Seconds = Annotated[float, Field(gt=0, le=86_400)]


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
