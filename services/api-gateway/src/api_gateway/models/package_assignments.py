"""Package assignments: which agents should have which package, and how far each of them is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api_gateway.models.configurations import MAX_LABELS, LabelKey, LabelText
from api_gateway.models.document import Document, view
from api_gateway.models.packages import Text
from api_gateway.models.paging import PageQuery, SearchQuery

MAX_AGENTS = 10_000
MAX_GROUPS = 64
MAX_PRIORITY = 1_000_000
PackageState = Literal[
    "pending", "offered", "downloading", "installing", "installed", "failed", "rolled_back", "timed_out", "local"
]
AttemptState = Literal[
    "offered", "downloading", "installing", "installed", "failed", "rolled_back", "timed_out", "superseded"
]


class AssignmentQuery(SearchQuery):
    """Which assignments."""

    package: Text = ""
    """Only those of this package."""

    enabled: bool | None = None
    """Only those in force, or only those that are not."""


class AssignedAgentQuery(PageQuery):
    """Which agents."""

    state: tuple[PackageState, ...] = ()
    """Any of; repeat or separate with commas."""


class PackageAttemptQuery(PageQuery):
    """Which attempts."""

    agent_id: Annotated[str, Field(max_length=64)] = ""
    """Only on this agent."""

    package: Text = ""
    """Only of this package."""

    state: tuple[AttemptState, ...] = ()
    """Any of; repeat or separate with commas."""


class AssignmentDraft(Document):
    """What a person writes of an assignment; a field left out (or null) keeps its value."""

    server_owned = frozenset(
        ("id", "tenant_id", "revision", "created_by", "created_at", "updated_by", "updated_at", "states")
    )

    channel: Literal["stable", "beta"] | None = None
    """stable: releases only; beta: versions before a release, too. stable if never said."""

    version: Annotated[str, Field(max_length=64)] | None = None
    """A semantic version, latest, or latest-N: N versions (1 to 9) before the newest. latest if never said."""

    selector: Annotated[dict[LabelKey, LabelText], Field(max_length=MAX_LABELS)] | None = None
    """Labels an agent must have, all of them; empty matches nobody."""

    groups: Annotated[tuple[LabelText, ...], Field(max_length=MAX_GROUPS)] | None = None
    """Groups agents got when they enrolled, any of them."""

    agents: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=MAX_AGENTS)] | None = None
    """Ids of agents, whatever their labels and groups."""

    priority: Annotated[int, Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY)] | None = None
    """The highest decides where several name one package for one agent; then agents over groups over a selector."""

    enabled: bool | None = None
    """Whether it is in force; true if never said. Agents remove what no assignment in force names."""


class AssignmentChange(AssignmentDraft):
    """A change of an assignment; its name and package are fixed."""

    server_owned = AssignmentDraft.server_owned | {"name", "package"}


class NewAssignment(AssignmentDraft):
    """A new assignment."""

    name: Text
    """Unique; 1 to 64 of a-z 0-9 . _ - beginning with a letter or digit."""

    package: Text
    """Name of the package."""


@view
class PackageAssignment(TypedDict):
    """Which agents should have a package, in which version."""

    id: str
    name: str
    package: str
    channel: str
    """stable | beta"""

    version: str
    """A semantic version, latest or latest-N"""

    selector: dict[str, str]
    groups: list[str]
    agents: list[str]
    priority: int
    enabled: bool
    revision: int
    created_by: str
    created_at: datetime | None
    updated_by: str
    updated_at: datetime | None
    states: dict[str, int]
    """Agents this assignment decides for, by how far they are."""


@view
class PackageAssignmentPage(TypedDict):
    """Part of a list of assignments, by name."""

    package_assignments: list[PackageAssignment]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class AgentPackage(TypedDict):
    """How far one agent is with one package."""

    agent_id: str
    package: str
    assignment_id: str | None
    """The assignment that decides; null when nobody assigned the package."""

    assignment: str | None
    """Its name."""

    version: str
    """What the agent should have; empty when nothing fits its machine."""

    state: str
    """pending | offered | downloading | installing | installed | failed | rolled_back | timed_out | local"""

    percent: float
    """Of the download, 0 to 100."""

    error_message: str
    """Why it is not installed."""

    reported_version: str
    """What the agent says it has; empty = nothing."""

    healthy: bool | None
    """null when the agent said nothing of its health."""

    connected: bool
    since: datetime | None
    """When it came into this state."""

    package_id: str | None
    """The published file it should have; null when nothing fits."""

    package_hash: str
    """Of the package as it is offered, hexadecimal."""

    given_up: bool
    """Whether it is not offered again until somebody asks for it (retry)."""


@view
class AssignedAgentPage(TypedDict):
    """Part of the agents an assignment decides for, by id."""

    agents: list[AgentPackage]
    states: dict[str, int]
    """Agents by state, whatever the filter."""

    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class AgentPackages(TypedDict):
    """The packages of one agent: what it should have, what it has."""

    agent_id: str
    accepts: bool
    """Whether it says that it takes packages."""

    platform: str
    """linux | windows | darwin; empty when the agent's is none of them."""

    arch: str
    """amd64 | arm64 | 386 | arm; empty when the agent's is none of them."""

    packages: list[AgentPackage]
    desired_hash: str
    """all_packages_hash of what it should have, hexadecimal."""

    offered_hash: str
    reported_hash: str
    held: str
    """Why nothing is offered although something is due; empty otherwise."""

    error_message: str
    """What went wrong with no package in particular, in the agent's words."""


@view
class PackageAttempt(TypedDict):
    """One try to make one agent have one package."""

    id: int
    agent_id: str
    package: str
    version: str
    package_hash: str
    assignment_id: str | None
    attempt: int
    """Counts the tries of this very package on this agent, from 1."""

    state: str
    """offered | downloading | installing | installed | failed | rolled_back | timed_out | superseded"""

    error_message: str
    requested_by: str
    """Empty when the platform itself did."""

    created_at: datetime | None
    updated_at: datetime | None


@view
class PackageAttemptPage(TypedDict):
    """Part of the attempts, newest first."""

    attempts: list[PackageAttempt]
    total: int
    limit: int
    offset: int
    next_cursor: str | None
