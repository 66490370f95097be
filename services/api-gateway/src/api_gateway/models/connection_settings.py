"""Connection settings: what agents are offered for OpAMP, their own telemetry and other destinations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from api_gateway.models.configurations import MAX_LABELS, LabelKey, LabelText
from api_gateway.models.document import Document, view

MASK = "[REDACTED]"
"""Stands for every secret in answers. Sent back, it keeps the secret that is stored; agent-state sees to that."""

MAX_HEADERS = 64
MAX_OTHER_CONNECTIONS = 32
MAX_OTHER_SETTINGS = 64
MAX_CIPHER_SUITES = 64
MAX_PEM_CHARACTERS = 64 * 1024
MAX_HEARTBEAT_SECONDS = 24 * 3600
MAX_PRIORITY = 1_000_000

_FORBIDDEN_IN_HEADERS = frozenset("\r\n\x00")


def _scheme_of(text: str, schemes: frozenset[str]) -> str:
    try:
        parts = urlsplit(text)
        known = parts.scheme in schemes and bool(parts.hostname)
    except ValueError:
        known = False
    if text and not known:
        message = f"must be an address with one of the schemes {', '.join(sorted(schemes))}"
        raise ValueError(message)
    return text


def _check_opamp_endpoint(text: str) -> str:
    return _scheme_of(text, frozenset(("ws", "wss", "http", "https")))


def _check_telemetry_endpoint(text: str) -> str:
    return _scheme_of(text, frozenset(("http", "https")))


def _check_line(text: str) -> str:
    if _FORBIDDEN_IN_HEADERS & set(text):
        message = "must be one line"
        raise ValueError(message)
    return text


Endpoint = Annotated[str, Field(max_length=2048)]
HeaderName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
HeaderText = Annotated[str, Field(max_length=8192), AfterValidator(_check_line)]
HeaderMap = Annotated[dict[HeaderName, HeaderText], Field(max_length=MAX_HEADERS)]
TlsVersion = Annotated[str, Field(pattern=r"^((TLSv)?1\.[0-3])?$")]
Pem = Annotated[str, Field(max_length=MAX_PEM_CHARACTERS)]


class TlsSettings(Document):
    """How an agent checks the server."""

    ca_pem_contents: Pem = ""
    """Certificates to trust, PEM."""

    include_system_ca_certs_pool: bool = False
    """Trust those of the system, too."""

    insecure_skip_verify: bool = False
    """Do not verify the server: for tests only."""

    min_version: TlsVersion = ""
    """Lowest TLS version, such as 1.2; empty = the agent's default."""

    max_version: TlsVersion = ""
    """Highest TLS version; empty = no cap."""

    cipher_suites: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=128)], ...], Field(max_length=MAX_CIPHER_SUITES)
    ] = ()


class ProxySettings(Document):
    """The proxy an agent goes through."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    """Its password is shown as [REDACTED]."""

    connect_headers: HeaderMap = Field(default_factory=dict)
    """Sent with CONNECT; their values are shown as [REDACTED]."""


class ClientCertificate(Document):
    """A client certificate."""

    cert: Pem = ""
    """PEM; left out when only the issuer is told."""

    private_key: Pem = ""
    """PEM; shown as [REDACTED]."""

    ca_cert: Pem = ""
    """PEM of the issuer."""


class Destination(Document):
    """What every destination may say besides its address."""

    headers: HeaderMap = Field(default_factory=dict)
    """Request headers; their values are shown as [REDACTED]."""

    tls: TlsSettings | None = None
    proxy: ProxySettings | None = None
    certificate: ClientCertificate | None = None


class OpampDestination(Destination):
    """How agents reach this platform."""

    destination_endpoint: Annotated[Endpoint, AfterValidator(_check_opamp_endpoint)] = ""
    """ws, wss, http or https; empty = the platform's own address."""

    heartbeat_interval_seconds: Annotated[int, Field(ge=1, le=MAX_HEARTBEAT_SECONDS)] | None = None
    """null = the platform's default; heartbeats are never switched off."""


class TelemetryDestination(Destination):
    """Where agents send their own telemetry, OTLP over HTTP."""

    destination_endpoint: Annotated[Endpoint, Field(min_length=1), AfterValidator(_check_telemetry_endpoint)]
    """The whole URL, such as https://telemetry.example.org/v1/metrics."""


class OtherDestination(Destination):
    """A destination only the agent knows the meaning of."""

    destination_endpoint: Endpoint = ""
    """URL, host:port or whatever the agent understands."""

    other_settings: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=256)], Annotated[str, Field(max_length=8192)]],
        Field(max_length=MAX_OTHER_SETTINGS),
    ] = Field(default_factory=dict)


class Settings(Document):
    """What is offered; a member left out (or null) is not decided here."""

    opamp: OpampDestination | None = None
    own_metrics: TelemetryDestination | None = None
    own_traces: TelemetryDestination | None = None
    own_logs: TelemetryDestination | None = None
    other_connections: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=256)], OtherDestination],
        Field(max_length=MAX_OTHER_CONNECTIONS),
    ] = Field(default_factory=dict)


class ConnectionSettingsChange(Document):
    """Connection settings for the agents a selector matches; the whole, not a part."""

    server_owned = frozenset(("name", "version", "created_at", "updated_at", "author"))

    selector: Annotated[dict[LabelKey, LabelText], Field(max_length=MAX_LABELS)] = Field(default_factory=dict)
    """Labels an agent must have, all of them; empty matches every agent."""

    priority: Annotated[int, Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY)] = 0
    """For each member the highest decides where several match; among equals the name that sorts first."""

    settings: Settings


@view
class TlsSettingsView(TypedDict):
    """How an agent checks the server."""

    ca_pem_contents: str
    include_system_ca_certs_pool: bool
    insecure_skip_verify: bool
    min_version: str
    max_version: str
    cipher_suites: list[str]


@view
class ProxySettingsView(TypedDict):
    """The proxy an agent goes through."""

    url: str
    connect_headers: dict[str, str]


@view
class ClientCertificateView(TypedDict):
    """A client certificate."""

    cert: str
    private_key: str
    ca_cert: str


@view
class DestinationView(TypedDict):
    """Where an agent connects; secrets are masked."""

    destination_endpoint: str
    headers: dict[str, str]
    tls: TlsSettingsView | None
    proxy: ProxySettingsView | None
    certificate: ClientCertificateView | None


@view
class OpampDestinationView(DestinationView):
    """How agents reach this platform."""

    heartbeat_interval_seconds: int | None
    """null = the platform's default"""


@view
class OtherDestinationView(DestinationView):
    """A destination only the agent knows the meaning of."""

    other_settings: dict[str, str]


@view
class SettingsView(TypedDict):
    """What is offered; null = not decided."""

    opamp: OpampDestinationView | None
    own_metrics: DestinationView | None
    own_traces: DestinationView | None
    own_logs: DestinationView | None
    other_connections: dict[str, OtherDestinationView]


@view
class ConnectionSettings(TypedDict):
    """Connection settings for the agents a selector matches."""

    name: str
    selector: dict[str, str]
    priority: int
    settings: SettingsView
    version: int
    created_at: datetime | None
    updated_at: datetime | None
    author: str


@view
class ConnectionSettingsPage(TypedDict):
    """A page of connection settings, by name."""

    connection_settings: list[ConnectionSettings]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class AgentConnectionSettings(TypedDict):
    """What one agent is offered, why, and how far it is."""

    agent_id: str
    state: str
    """none | pending | offered | applying | applied | failed | timed_out"""

    error_message: str
    """The agent's words when it failed."""

    desired: SettingsView | None
    """null when nothing is due to it."""

    desired_hash: str
    offered_hash: str
    offered_at: datetime | None
    reported_hash: str
    policies: list[str]
    """Names of the connection settings that gave something, in order of precedence."""
