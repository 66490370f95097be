"""Configurations, their versions and what became of them on agents."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, Field
from typing_extensions import TypedDict

from api_gateway.models.document import Document, Query, view
from api_gateway.models.paging import PageQuery, SearchQuery

ContentType = Literal["yaml", "json"]
AttemptStatus = Literal[
    "pending", "offered", "applying", "applied", "failed", "timed_out", "rolled_back_by_agent", "superseded"
]
ConfigurationSort = Literal[
    "name", "created_at", "updated_at", "priority", "-name", "-created_at", "-updated_at", "-priority"
]
MAX_LABELS = 64
MAX_COMPONENTS = 100
MAX_COMMENT_LENGTH = 1024

_SERVER_OWNED = frozenset(
    (
        "id", "tenant_id", "config_hash", "version", "last_applied_at", "created_at", "updated_at", "created_by",
        "author", "rolled_back_to",
    )
)  # fmt: skip
LabelKey = Annotated[str, Field(min_length=1, max_length=256)]
LabelText = Annotated[str, Field(max_length=1024)]
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        message = "must be 1 to 128 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
        raise ValueError(message)
    return name


ConfigurationName = Annotated[
    str,
    AfterValidator(_check_name),
    Field(json_schema_extra={"minLength": 1, "maxLength": 128, "pattern": _NAME.pattern}),
]
"""As config-service takes it."""


class PlatformComponent(Document):
    """A source, processor or destination a configuration is composed of."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    type: Annotated[str, Field(max_length=253)] = ""
    parameters: dict[str, Any] = Field(default_factory=dict)


class PlatformDraft(Document):
    """What a configuration is composed of."""

    sources: Annotated[tuple[PlatformComponent, ...], Field(max_length=MAX_COMPONENTS)] = ()
    processors: Annotated[tuple[PlatformComponent, ...], Field(max_length=MAX_COMPONENTS)] = ()
    destinations: Annotated[tuple[PlatformComponent, ...], Field(max_length=MAX_COMPONENTS)] = ()


class ConfigurationDraft(Document):
    """What a person writes of a configuration; a field left out (or null) keeps its value."""

    server_owned = _SERVER_OWNED

    display_name: Annotated[str, Field(max_length=256)] | None = None
    description: Annotated[str, Field(max_length=4096)] | None = None
    content_type: ContentType | None = None
    """How raw_config is written; yaml if never said."""

    raw_config: str | None = None
    """What agents receive, at most 1 MiB."""

    selector: Annotated[dict[LabelKey, LabelText], Field(max_length=MAX_LABELS)] | None = None
    """Labels an agent must have, all of them; empty matches nobody."""

    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    """The highest wins where several selectors match."""

    platform: PlatformDraft | None = None
    comment: Annotated[
        str, Field(max_length=MAX_COMMENT_LENGTH, validation_alias=AliasChoices("comment", "change_description"))
    ] = ""
    """Why; kept in the history as change_description."""


class ConfigurationChange(ConfigurationDraft):
    """A change of a configuration; its name stands in the path."""

    server_owned = _SERVER_OWNED | {"name"}


class NewConfiguration(ConfigurationDraft):
    """A new configuration."""

    name: ConfigurationName
    """Unique, and fixed."""


class DryRunQuery(Query):
    """Whether to store anything."""

    dry_run: bool = False
    """Check and answer what would be, store nothing."""


class ConfigurationQuery(SearchQuery):
    """Which configurations."""

    search: Annotated[str, Field(max_length=200)] = ""
    """Case-insensitive part of name or display name."""

    content_type: tuple[ContentType, ...] = ()
    """Any of."""

    sort: ConfigurationSort = "name"
    """A field; a leading hyphen turns the order round."""

    body: bool = True
    """false leaves raw_config empty."""


class AttemptQuery(PageQuery):
    """Which attempts."""

    status: tuple[AttemptStatus, ...] = ()
    """Any of; repeat or separate with commas."""


class PushQuery(Query):
    """To whom."""

    agent_id: tuple[Annotated[str, Field(max_length=64)], ...] = ()
    """Only to these agents; repeat or separate with commas."""


class PushTargets(Document):
    """To whom; empty = every connected agent that should run it."""

    agent_ids: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=10_000)] = ()
    """Agent ids."""


class RollbackNote(Document):
    """Why a configuration is rolled back."""

    comment: Annotated[
        str, Field(max_length=MAX_COMMENT_LENGTH, validation_alias=AliasChoices("comment", "change_description"))
    ] = ""


@view
class PlatformPart(TypedDict):
    """A source, processor or destination."""

    name: str
    type: str
    parameters: dict[str, Any]


@view
class Platform(TypedDict):
    """What a configuration is composed of."""

    sources: list[PlatformPart]
    processors: list[PlatformPart]
    destinations: list[PlatformPart]


@view
class Configuration(TypedDict):
    """The current version of a configuration."""

    name: str
    display_name: str
    description: str
    content_type: str
    """yaml | json"""

    raw_config: str
    config_hash: str
    """SHA-256 of what agents receive, hex."""

    version: int
    """Also the entity tag."""

    last_applied_at: datetime | None
    selector: dict[str, str]
    priority: int
    platform: Platform
    created_by: str
    """Who made this version."""

    change_description: str
    """Why."""

    created_at: datetime | None
    updated_at: datetime | None
    """When this version was made."""


@view
class ConfigurationPage(TypedDict):
    """A page of configurations."""

    configurations: list[Configuration]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class ConfigurationHistory(TypedDict):
    """One version of a configuration, the current one included."""

    id: int
    configuration_name: str
    version: int
    content_type: str
    raw_config: str
    config_hash: str
    selector: dict[str, str]
    priority: int
    platform: Platform
    display_name: str
    description: str
    change_description: str
    created_by: str
    rolled_back_to: int | None
    """The version this one restored."""

    created_at: datetime | None


@view
class ConfigurationHistoryPage(TypedDict):
    """A page of versions, newest first."""

    histories: list[ConfigurationHistory]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class ApplyHistory(TypedDict):
    """One attempt to make one agent run one configuration."""

    id: int
    agent_id: str
    configuration_name: str
    version: int
    config_hash: str
    status: str
    """pending | offered | applying | applied | failed | timed_out | rolled_back_by_agent | superseded"""

    error_message: str
    attempt: int
    """Counts attempts of this content on this agent."""

    cause: str
    """connect | change | push | assignment | sweep"""

    requested_by: str
    confirmed: bool
    """Applied, healthy, and the effective configuration held what was sent, for the soak time."""

    offered_at: datetime | None
    applied_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None


@view
class ApplyHistoryPage(TypedDict):
    """A page of attempts, newest first."""

    histories: list[ApplyHistory]
    total: int
    limit: int
    offset: int
    next_cursor: str | None
    status_counts: dict[str, int]
    """Of all attempts, whatever the status filter."""


@view
class PushFailure(TypedDict):
    """An agent that was not offered the configuration, and why."""

    agent_id: str
    reason: str


@view
class PushResult(TypedDict):
    """Who was offered the configuration."""

    message: str
    affected_agents: list[str]
    failed_agents: list[str]
    total: int
    """Agents tried."""

    failed: int
    failures: list[PushFailure]


@view
class ConfigurationStatus(TypedDict):
    """Where the agents that should run a configuration stand."""

    name: str
    desired: int
    """Agents that should run it."""

    connected: int
    state_counts: dict[str, int]
    """none | pending | offered | applying | applied | failed | timed_out | drifted"""
