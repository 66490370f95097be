"""Settings of api-gateway: environment variables with the prefix API_GATEWAY_."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from servicekit.settings import ServiceSettings


class ApiGatewaySettings(ServiceSettings):
    """What api-gateway can be told."""

    model_config = SettingsConfigDict(env_prefix="API_GATEWAY_")

    postgres_url: Annotated[
        SecretStr, Field(description="PostgreSQL URL of the role api_gateway, postgresql://user:password@host/db.")
    ]
    host: Annotated[str, Field(description="Address the API listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port the API listens on; 0 takes a free one.")] = 8080
    signing_key_file: Annotated[
        Path | None,
        Field(
            description="PEM file with the Ed25519 key that signs access tokens; generated with mode 0600 if absent. "
            "Replicas share it. More keys in the file after the first still verify (rotation: prepend the new one). "
            "Unset = a key in memory: tokens end with the process and work on one replica only."
        ),
    ] = None
    access_token_seconds: Annotated[int, Field(ge=10, le=3600, description="Life of an access token.")] = 600
    refresh_token_seconds: Annotated[
        int, Field(ge=60, description="Life of a refresh token; each use gives a new one with a full life.")
    ] = 14 * 24 * 3600
    session_recheck_seconds: Annotated[
        float,
        Field(ge=0, le=600, description="How long a confirmed session is believed before the database is asked again."),
    ] = 30.0
    registration_enabled: Annotated[
        bool, Field(description="Let anybody register an account; it gets the role viewer.")
    ] = False
    login_per_account_and_address_per_minute: Annotated[
        int, Field(ge=1, description="Failed logins per account, client address and minute before 429.")
    ] = 5
    login_per_account_per_minute: Annotated[
        int,
        Field(
            ge=1,
            description="Failed logins per account and minute, from all addresses together, before 429; strangers can "
            "fill it, so it is roomy.",
        ),
    ] = 50
    login_per_address_per_minute: Annotated[
        int, Field(ge=1, description="Failed logins and registrations per client address and minute before 429.")
    ] = 20
    reads_per_second: Annotated[int, Field(ge=1, description="Reads per user and second; bursts of ten seconds.")] = 200
    writes_per_second: Annotated[int, Field(ge=1, description="Writes per user and second; bursts of ten seconds.")] = (
        50
    )
    max_body_bytes: Annotated[int, Field(ge=1024, description="Longest request body; longer ones get 413.")] = (
        4 * 1024 * 1024
    )
    body_timeout_seconds: Annotated[float, Field(gt=0, description="Time a request body may take to arrive.")] = 15.0
    request_timeout_seconds: Annotated[float, Field(gt=0, description="Time a request may take before 503.")] = 45.0
    upstream_timeout_seconds: Annotated[
        float, Field(gt=0, description="Time a service on the bus may take to answer.")
    ] = 5.0
    package_service_address: Annotated[
        str, Field(pattern=r"^https?://[^/]+$", description="Where package-service takes and gives files, over HTTP.")
    ] = "http://127.0.0.1:8090"
    transfer_idle_seconds: Annotated[
        float, Field(gt=0, description="A file going through here that moves no byte for so long is broken off.")
    ] = 45.0
    max_waiting_calls: Annotated[
        int,
        Field(ge=1, description="Calls that may wait for agents to answer custom messages at once; more get 429."),
    ] = 200
    custom_capability_roles: Annotated[
        dict[Annotated[str, Field(min_length=1)], Literal["operator", "admin"]],
        Field(
            description="Least role that may send custom messages, by pattern of their capability, as JSON: "
            '{"com.example.shell*": "admin"}. The longest pattern that fits decides; without one operators may.',
        ),
    ] = Field(default_factory=dict)
    cors_origins: Annotated[
        tuple[str, ...],
        Field(description="Origins browsers may call from, separated by commas; empty = same origin only."),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Field(description="Networks whose X-Forwarded-For is believed, separated by commas; empty = nobody's."),
    ] = ()

    @field_validator("custom_capability_roles", mode="before")
    @classmethod
    def _roles_are_json(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError as error:
            message = f"not JSON ({error})"
            raise ValueError(message) from error

    @field_validator("trusted_proxies")
    @classmethod
    def _networks_parse(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            scheme, separator, rest = text.partition("://")
            if scheme not in {"http", "https"} or not separator or not rest or "/" in rest or "*" in rest:
                message = f"{text!r} is not an origin like https://console.example.org"
                raise ValueError(message)
        return value

    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Trusted proxies as networks."""
        return tuple(ip_network(text) for text in self.trusted_proxies)
