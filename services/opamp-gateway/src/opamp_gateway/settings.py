"""What an operator can tell the gateway, read from OPAMP_GATEWAY_*."""

from __future__ import annotations

import ipaddress
import os
import ssl
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from opamp_gateway.authority import DoorContext, door_context
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
        Field(
            description="token: agents need an enrolment token, their own credential or a client certificate; "
            "open: anybody may connect, on loopback only."
        ),
    ] = "token"
    allow_open_to_network: Annotated[
        bool, Field(description="Let authentication=open serve an address other machines can reach.")
    ] = False
    custom_capabilities: Annotated[
        tuple[str, ...],
        Field(description="Custom capabilities announced to agents, e.g. com.example.inventory; separated by commas."),
    ] = ()
    workers: Annotated[
        int, Field(ge=1, le=64, description="Processes that share the port, each a gateway of its own.")
    ] = 1
    reuse_port: Annotated[bool, Field(description="Share the port with other processes (set for workers).")] = False
    compiled: Annotated[
        Literal["auto", "off", "required"],
        Field(description="Run the compiled form: auto, if one fits the sources; off; required, or do not start."),
    ] = "auto"
    backlog: Annotated[int, Field(ge=1, description="Connections the kernel may hold before they are accepted.")] = 4096

    max_message_bytes: Annotated[
        int, Field(ge=1024, le=64 * 1024 * 1024, description="Largest WebSocket message of an agent, inflated.")
    ] = 4 * 1024 * 1024
    max_body_bytes: Annotated[
        int,
        Field(ge=1024, le=64 * 1024 * 1024, description="Largest request body, as it comes and inflated."),
    ] = 4 * 1024 * 1024
    max_outgoing_bytes: Annotated[
        int,
        Field(ge=1024, le=64 * 1024 * 1024, description="Largest WebSocket message sent, before compression."),
    ] = 64 * 1024 * 1024
    max_answer_bytes: Annotated[
        int,
        Field(ge=1024, le=64 * 1024 * 1024, description="Largest plain HTTP answer, before compression."),
    ] = 64 * 1024 * 1024
    compression: Annotated[
        bool, Field(description="Agree to permessage-deflate where an agent offers it; off: it is declined.")
    ] = True
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
    max_agents_per_socket: Annotated[
        int, Field(ge=1, description="Agents that may share one WebSocket, as behind a proxy.")
    ] = 1_000
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
    tls_certificate_file: Annotated[
        str, Field(description="Certificate of the door, PEM with its chain; empty = no TLS here.")
    ] = ""
    tls_key_file: Annotated[str, Field(description="Private key of the door's certificate, PEM.")] = ""
    client_ca_file: Annotated[
        str,
        Field(description="Authority of your own whose client certificates are believed beside the platform's, PEM."),
    ] = ""
    client_certificate_header: Annotated[
        str,
        Field(
            pattern="^[A-Za-z0-9-]*$",
            description="Header in which a proxy forwards the client certificate; it must set or remove the header "
            "in every request. Whoever can write it is any agent it likes.",
        ),
    ] = ""
    certificate_proxies: Annotated[
        tuple[str, ...],
        Field(
            description="Networks of the proxies whose CLIENT_CERTIFICATE_HEADER is believed, separated by commas; "
            "from others it is ignored. Name nothing but those proxies."
        ),
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
        Field(
            ge=0,
            description="Longest time a good credential is used without asking again, if a revocation was missed.",
        ),
    ] = 30.0
    bad_token_cache_seconds: Annotated[float, Field(ge=0, description="How long a bad credential is remembered.")] = 5.0

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
            ConfigurationRefused: A proxy is no network, or only half is said of forwarded certificates.
        """
        made_here = {"trusted_proxies", "certificate_proxies", "content_seconds", "certificate_header"}
        names = Limits.__dataclass_fields__.keys() - made_here
        if bool(self.client_certificate_header) != bool(self.certificate_proxies):
            raise ConfigurationRefused(
                f"{PREFIX}CLIENT_CERTIFICATE_HEADER is believed from the proxies in {PREFIX}CERTIFICATE_PROXIES only, "
                "whose X-Forwarded-For is believed or not: set both or neither."
            )
        return Limits(
            **{name: getattr(self, name) for name in names},
            trusted_proxies=_networks("TRUSTED_PROXIES", self.trusted_proxies),
            certificate_proxies=_networks("CERTIFICATE_PROXIES", self.certificate_proxies),
            certificate_header=self.client_certificate_header.lower(),
        )

    def door_tls(self) -> DoorContext | None:
        """
        Make the TLS of the door; None = it speaks none.

        Raises:
            ConfigurationRefused: A file is missing or not what it should be.
        """
        if not self.tls_certificate_file and not self.tls_key_file:
            return None
        if not self.tls_certificate_file or not self.tls_key_file:
            raise ConfigurationRefused(f"{PREFIX}TLS_CERTIFICATE_FILE and {PREFIX}TLS_KEY_FILE go together: set both")
        try:
            return door_context(self.tls_certificate_file, self.tls_key_file, self.client_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationRefused(f"TLS of the door: {error}") from error

    def outside_authority(self) -> bytes:
        """
        Read the operator's own authority; empty = there is none.

        Raises:
            ConfigurationRefused: The file cannot be read.
        """
        if not self.client_ca_file:
            return b""
        try:
            return Path(self.client_ca_file).read_bytes()
        except OSError as error:
            raise ConfigurationRefused(f"{PREFIX}CLIENT_CA_FILE: {error}") from error

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


def _networks(name: str, texts: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise ConfigurationRefused(f"{PREFIX}{name}: {error}") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
