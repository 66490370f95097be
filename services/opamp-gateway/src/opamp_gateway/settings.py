"""What an operator can tell the gateway, read from OPAMP_GATEWAY_*."""

from __future__ import annotations

import ipaddress
import os
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from opamp_gateway.errors import ConfigurationRefused
from opamp_gateway.limits import Limits
from servicekit.settings import ServiceSettings

PREFIX = "OPAMP_GATEWAY_"


class Settings(ServiceSettings):
    """Settings of the gateway."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    redis_url: Annotated[SecretStr, Field(description="Redis server, redis://:password@host:port/0; a cache.")] = (
        SecretStr("redis://127.0.0.1:6379/0")
    )
    host: Annotated[str, Field(description="Address agents connect to.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port agents connect to; 0 takes a free one.")] = 4320
    path: Annotated[str, Field(pattern="^/", description="Path of both transports.")] = "/v1/opamp"
    gateway_id: Annotated[
        str,
        Field(
            pattern="^[a-z0-9-]{0,40}$",
            description="Readable part of this gateway's id; every start adds a random part.",
        ),
    ] = "gateway"
    authentication: Annotated[
        Literal["token", "open"],
        Field(description="token: agents need an enrolment token; open: anybody may connect, on loopback only."),
    ] = "token"
    allow_open_to_network: Annotated[
        bool, Field(description="Let authentication=open serve an address other machines can reach.")
    ] = False
    workers: Annotated[
        int, Field(ge=1, le=64, description="Processes that share the port, each a gateway of its own.")
    ] = 1
    reuse_port: Annotated[bool, Field(description="Share the port with other processes (set for workers).")] = False
    backlog: Annotated[int, Field(ge=1, description="Connections the kernel may hold before they are accepted.")] = 4096

    max_message_bytes: Annotated[
        int, Field(ge=1024, le=64 * 1024 * 1024, description="Largest message, inflated, in either direction.")
    ] = 4 * 1024 * 1024
    max_frames: Annotated[int, Field(ge=1, description="Most frames one WebSocket message may come in.")] = 4096
    message_seconds: Annotated[
        float, Field(gt=0, description="How long one WebSocket message may take from its first byte to its last.")
    ] = 30.0
    max_unfinished_bytes: Annotated[
        int,
        Field(
            ge=1024 * 1024,
            description="Bytes of messages begun and not finished, all WebSockets of a process together.",
        ),
    ] = 128 * 1024 * 1024
    max_head_bytes: Annotated[int, Field(ge=1024, description="Largest request head.")] = 16 * 1024
    handshake_seconds: Annotated[
        float, Field(gt=0, description="How long a peer may take over its request head or body.")
    ] = 10.0
    messages_per_second: Annotated[float, Field(gt=0, description="Messages one agent may send per second.")] = 10.0
    message_burst: Annotated[int, Field(ge=1, description="Messages one agent may send at once.")] = 50
    max_bad_messages: Annotated[int, Field(ge=1, description="Bad messages after which a WebSocket is closed.")] = 5
    max_uid_changes: Annotated[
        int, Field(ge=1, description="Changes of instance_uid after which a WebSocket is closed.")
    ] = 8
    ping_after_seconds: Annotated[float, Field(gt=0, description="Silence after which a socket is pinged.")] = 20.0
    pong_seconds: Annotated[float, Field(gt=0, description="How long a pinged socket may stay silent.")] = 20.0
    clone_seconds: Annotated[
        float, Field(gt=0, description="How long the holder of a uid may take to show that it lives.")
    ] = 3.0
    write_buffer_bytes: Annotated[
        int, Field(ge=4096, description="Unread bytes after which an agent counts as a slow reader.")
    ] = 256 * 1024
    slow_reader_seconds: Annotated[float, Field(gt=0, description="How long an agent may be a slow reader.")] = 10.0
    poll_silence_seconds: Annotated[
        float, Field(gt=0, description="Silence after which a polling agent counts as disconnected.")
    ] = 60.0
    trusted_proxies: Annotated[
        tuple[str, ...], Field(description="Networks whose X-Forwarded-For is believed, separated by commas.")
    ] = ()

    max_connections: Annotated[int, Field(ge=1, description="Most agents this process takes in.")] = 20_000
    connects_per_second: Annotated[float, Field(gt=0, description="Connects let in per second.")] = 2_000.0
    connect_burst: Annotated[float, Field(ge=1, description="Connects let in at once.")] = 4_000.0
    retry_after_seconds: Annotated[
        int, Field(ge=1, description="Shortest Retry-After of a refused connect; jitter is added.")
    ] = 30
    remembered_agents: Annotated[
        int, Field(ge=1, description="How many agents are remembered, to be let in before strangers.")
    ] = 50_000

    spool_facts: Annotated[
        int, Field(ge=1, description="Facts that may wait for NATS before new connects are refused.")
    ] = 200_000
    spool_bytes: Annotated[int, Field(ge=1, description="The same in bytes.")] = 256 * 1024 * 1024
    max_fact_bytes: Annotated[
        int,
        Field(
            ge=1024,
            le=3 * 1024 * 1024,
            description="Largest part of a message; with its envelope it must fit in the max_payload of NATS (4 MiB).",
        ),
    ] = 900_000
    content_cache_bytes: Annotated[int, Field(ge=0, description="Contents kept ready for offers.")] = 64 * 1024 * 1024
    ask_again_seconds: Annotated[
        float, Field(ge=0, description="How soon ReportFullState is set again for an agent that ignored it.")
    ] = 30.0
    offer_repeat_seconds: Annotated[
        float, Field(ge=0, description="How soon the same remote config leaves for the same agent again.")
    ] = 15.0
    token_cache_seconds: Annotated[
        float,
        Field(ge=0, description="How long a good token is used without asking again: a revocation takes as long."),
    ] = 30.0
    bad_token_cache_seconds: Annotated[float, Field(ge=0, description="How long a bad token is remembered.")] = 5.0

    presence_seconds: Annotated[float, Field(gt=0, description="Time between two beats of presence.")] = 3.0
    lease_seconds: Annotated[int, Field(ge=2, description="How long this gateway's lease lasts in Redis.")] = 10
    drain_closes_per_second: Annotated[float, Field(gt=0, description="Pace of closing sockets when told to stop.")] = (
        500.0
    )
    drain_grace_seconds: Annotated[
        float, Field(gt=0, description="By when all sockets are closed when told to stop.")
    ] = 20.0

    def limits(self) -> Limits:
        """
        Pick what one peer may do.

        Raises:
            ConfigurationRefused: A trusted proxy is no network.
        """
        names = Limits.__dataclass_fields__.keys() - {"trusted_proxies", "content_seconds"}
        try:
            proxies = tuple(ipaddress.ip_network(text) for text in self.trusted_proxies)
        except ValueError as error:
            raise ConfigurationRefused(f"{PREFIX}TRUSTED_PROXIES: {error}") from error
        return Limits(**{name: getattr(self, name) for name in names}, trusted_proxies=proxies)

    def check_open(self) -> None:
        """
        Refuse to serve everybody who can reach this machine.

        Raises:
            ConfigurationRefused: Says what to set.
        """
        if self.authentication == "open" and not self.allow_open_to_network and not _is_loopback(self.host):
            raise ConfigurationRefused(
                f"{PREFIX}AUTHENTICATION=open would let anybody who reaches {self.host} in. Set "
                f"{PREFIX}AUTHENTICATION=token, or {PREFIX}HOST=127.0.0.1, or, if a proxy authenticates agents, "
                f"{PREFIX}ALLOW_OPEN_TO_NETWORK=true."
            )


def environment_of_worker(settings: Settings, number: int) -> dict[str, str]:
    """Write the environment of worker *number* (from 0): as ours, but for what it must not share."""
    ops_port = settings.ops_port + number if settings.ops_port else 0
    return {
        **os.environ,  # noqa: TID251 - handed on as it is
        f"{PREFIX}WORKERS": "1",
        f"{PREFIX}REUSE_PORT": "true",
        f"{PREFIX}OPS_PORT": str(ops_port),
    }


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
