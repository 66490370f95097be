"""Agents as the API shows them: every name the platform always used, and what it knows besides."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api_gateway.models.configurations import ConfigurationName
from api_gateway.models.document import Document, view
from api_gateway.models.paging import PageQuery, SearchQuery
from api_gateway.paging import MAX_LIMIT

AgentSort = Literal[
    "name", "hostname", "version", "status", "last_seen_at", "last_connected_at", "last_disconnected_at",
    "created_at", "updated_at", "-name", "-hostname", "-version", "-status", "-last_seen_at",
    "-last_connected_at", "-last_disconnected_at", "-created_at", "-updated_at",
]  # fmt: skip
Status = Literal["online", "offline", "error"]
HealthState = Literal["unknown", "healthy", "unhealthy"]
ConfigState = Literal["unset", "applying", "applied", "failed"]
Approval = Literal["approved", "pending", "rejected", "revoked"]


class AgentQuery(SearchQuery):
    """Which agents."""

    status: tuple[Status, ...] = ()
    """Any of; repeat or separate with commas."""

    health: tuple[HealthState, ...] = ()
    """Any of."""

    config_state: tuple[ConfigState, ...] = ()
    """Any of."""

    approval: tuple[Approval, ...] = ()
    """Any of."""

    search: Annotated[str, Field(max_length=200)] = ""
    """Case-insensitive part of name, hostname, version or id."""

    label: dict[str, str] = Field(default_factory=dict)
    """label.<key>=<value>, repeated; all must be equal."""

    sort: AgentSort = "-created_at"
    """A field; a leading hyphen turns the order round."""


class OnlineQuery(PageQuery):
    """Which part of the connected agents; by default as many as one page may hold."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = MAX_LIMIT
    """Rows per page."""


@view
class Agent(TypedDict):
    """One agent."""

    id: str
    """instance_uid as UUID text."""

    name: str
    """service.name"""

    type: str
    """Operating system, os.type."""

    architecture: str
    """host.arch"""

    hostname: str
    """host.name"""

    version: str
    """service.version"""

    status: str
    """offline when not connected, else error when unhealthy or its configuration failed, else online."""

    link: str
    """connected | disconnected"""

    health_state: str
    """unknown | healthy | unhealthy"""

    health_error: str
    """The agent's words when unhealthy."""

    config_state: str
    """unset | applying | applied | failed"""

    config_error: str
    """The agent's words when its configuration failed."""

    last_seen_at: datetime | None
    """When it was last heard from; going offline does not change it."""

    last_connected_at: datetime | None
    last_disconnected_at: datetime | None
    disconnect_reason: str
    labels: dict[str, str]
    """Every attribute the agent describes itself with, and the stamped labels over them, as selectors see it."""

    stamped_labels: dict[str, str]
    """Labels its enrolment token stamped on it."""

    approval: str
    """approved | pending | rejected | revoked; nothing is sent to an agent that is not approved"""

    enrolment_token_id: str
    """The enrolment token that let it in first; empty when none did."""

    ephemeral_seconds: int
    """The platform forgets the agent after this long offline; 0 = never."""

    configuration_name: str | None
    """The configuration it should run; null when none matches, or when config-service did not answer (X-Warning)."""

    protocol: str
    """opamp"""

    transport: str
    """websocket | http | empty while unknown"""

    remote_addr: str
    gateway_id: str
    """The gateway process that holds, or last held, its connection."""

    sequence_number: int
    """Newest sequence_num of the agent."""

    capabilities: list[str]
    """Names of the OpAMP capabilities it stated."""

    remote_config_hash: str
    """Hash of the configuration it last reported on, hex; empty when none."""

    created_at: datetime | None
    updated_at: datetime | None


@view
class ConfigFile(TypedDict):
    """One file of an agent's effective configuration."""

    content_type: str
    body: str
    """Text, or base64 when it is not UTF-8."""

    encoding: str
    """utf-8 | base64"""


@view
class EffectiveConfig(TypedDict):
    """What the agent says it runs."""

    config_map: dict[str, ConfigFile]


@view
class ComponentHealth(TypedDict):
    """Health of the agent or of one of its parts."""

    healthy: bool
    status: str
    last_error: str
    start_time: datetime | None
    status_time: datetime | None
    components: dict[str, ComponentHealth]
    """Health of the parts, by name; cut at 32 levels."""


@view
class ComponentDetails(TypedDict):
    """One component the agent was built with."""

    metadata: dict[str, Any]
    components: dict[str, ComponentDetails]


@view
class PackageStatus(TypedDict):
    """One package on the agent."""

    name: str
    agent_has_version: str
    server_offered_version: str
    status: str
    error_message: str


@view
class AgentConfiguration(TypedDict):
    """Which configuration an agent gets, why, and how far it is."""

    agent_id: str
    configuration_name: str | None
    """null when nothing matches."""

    version: int | None
    state: str
    """none | pending | offered | applying | applied | failed | timed_out | drifted"""

    reason: str
    """assignment | selector | keep_last | fallback | none"""

    error_message: str
    quarantined: bool
    """The desired configuration failed on this agent and waits for POST …/configuration/retry or new content."""

    assigned_name: str | None
    """Set by PUT …/configuration; wins over every selector."""

    candidates: list[str]
    """Every configuration that matches, in order of precedence."""

    desired_hash: str
    offered_hash: str
    reported_hash: str


@view
class AgentDetail(Agent):
    """One agent with everything it reported."""

    identifying_attributes: dict[str, Any]
    non_identifying_attributes: dict[str, Any]
    health: ComponentHealth | None
    effective_config: EffectiveConfig | None
    components: dict[str, ComponentDetails]
    custom_capabilities: list[str]
    package_statuses: list[PackageStatus]
    configuration: AgentConfiguration | None
    """null when config-service did not answer (X-Warning) or does not know the agent yet."""


@view
class AgentPage(TypedDict):
    """A page of agents."""

    agents: list[Agent]
    total: int
    limit: int
    offset: int
    next_cursor: str | None
    """Pass as cursor to get the next page; null on the last one."""


@view
class StatusSummary(TypedDict):
    """How many agents are in which state. online + offline = total; error agents are connected, so online."""

    total: int
    online: int
    offline: int
    error: int
    status_counts: dict[str, int]
    """By status: online, offline, error."""

    link_counts: dict[str, int]
    health_counts: dict[str, int]
    config_counts: dict[str, int]


@view
class AgentStatus(TypedDict):
    """The state of one agent."""

    id: str
    status: str
    link: str
    health_state: str
    health_error: str
    config_state: str
    config_error: str
    last_seen_at: datetime | None
    last_connected_at: datetime | None
    last_disconnected_at: datetime | None
    disconnect_reason: str


@view
class ConnectionHistory(TypedDict):
    """One connection of an agent."""

    id: int
    agent_id: str
    connected_at: datetime | None
    disconnected_at: datetime | None
    """null while open"""

    duration_seconds: float
    disconnect_reason: str
    remote_addr: str
    gateway_id: str
    transport: str
    epoch: int
    """Number of the connection; grows with every connect of the fleet."""

    created_at: datetime | None
    updated_at: datetime | None


@view
class ConnectionHistoryPage(TypedDict):
    """A page of connections, newest first."""

    histories: list[ConnectionHistory]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


class Assignment(Document):
    """The configuration an agent should run whatever selectors say."""

    configuration_name: ConfigurationName
    """Name of an existing configuration."""
