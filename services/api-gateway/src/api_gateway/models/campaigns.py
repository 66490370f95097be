"""Upgrade campaigns: how the agents of a package assignment come to another version, stage by stage."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api_gateway.models.configurations import MAX_LABELS, LabelKey, LabelText
from api_gateway.models.document import Document, view
from api_gateway.models.packages import Text
from api_gateway.models.paging import PageQuery, SearchQuery

MAX_STAGES = 20
MAX_IN_FLIGHT = 100_000
MAX_SECONDS = 7 * 24 * 3600

CampaignState = Literal["draft", "running", "paused", "halted", "completed", "aborted"]
CampaignAgentState = Literal["waiting", "admitted", "watching", "succeeded", "failed", "rolled_back", "left_out"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Share = Annotated[int, Field(ge=1, le=100)]
Time = Annotated[str, Field(max_length=5)]


class CampaignQuery(SearchQuery):
    """Which campaigns."""

    state: tuple[CampaignState, ...] = ()
    """Any of; repeat or separate with commas."""

    assignment_id: Annotated[str, Field(max_length=64)] = ""
    """Only those of this assignment."""

    package: Text = ""
    """Only those of this package."""


class CampaignAgentQuery(PageQuery):
    """Which agents."""

    state: tuple[CampaignAgentState, ...] = ()
    """Any of; repeat or separate with commas."""


class CampaignStage(Document):
    """One stage: either a share of the agents or those with certain labels."""

    percent: Share | None = None
    """Of all agents, this stage and all before it together; rounded up."""

    selector: Annotated[dict[LabelKey, LabelText], Field(max_length=MAX_LABELS)] | None = None
    """Labels an agent of this stage has, all of them."""


class FailureThreshold(Document):
    """As many failures halt the campaign: either a share or a number."""

    percent: Share | None = None
    """Of the agents of this stage and all before it."""

    count: Annotated[int, Field(ge=1, le=MAX_IN_FLIGHT)] | None = None


class MaintenanceWindow(Document):
    """When agents may begin, by the clocks on the wall of a time zone."""

    time_zone: Annotated[str, Field(max_length=64)]
    """IANA name, such as Europe/Berlin."""

    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)]
    """Days it opens on."""

    from_time: Annotated[Time, Field(alias="from")]
    """HH:MM, included."""

    to_time: Annotated[Time, Field(alias="to")]
    """HH:MM or 24:00, excluded; not later than `from` = on the day after."""


class CampaignChange(Document):
    """A campaign as a person writes it."""

    server_owned = frozenset(
        (
            "id",
            "assignment_id",
            "package",
            "from_version",
            "state",
            "reason",
            "stage",
            "agents",
            "opens_at",
            "revision",
            "created_by",
            "created_at",
            "updated_by",
            "updated_at",
            "started_at",
            "ended_at",
        )
    )

    name: Text
    """1 to 64 of a-z 0-9 . _ - beginning with a letter or digit."""

    to_version: Annotated[str, Field(max_length=64)]
    """The version agents come to; it is published, and not the assignment's own."""

    stages: Annotated[tuple[CampaignStage, ...], Field(max_length=MAX_STAGES)]
    """In order, at least one; the last one is for 100 percent."""

    max_in_flight: Annotated[int, Field(ge=1, le=MAX_IN_FLIGHT)] = 50
    """Agents that have begun and of which nobody knows yet how it went."""

    watch_seconds: Annotated[int, Field(ge=0, le=MAX_SECONDS)] = 300
    """How long an agent has to be well with the new version before it counts as a success."""

    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS)] = 3600
    """How long an agent may take; a stage waits as long for agents that are not connected."""

    failure_threshold: FailureThreshold = FailureThreshold(percent=5)
    """As many failures halt it; 5 percent if never said."""

    window: MaintenanceWindow | None = None
    """When agents may begin; null = always."""

    rollback: bool = True
    """Whether agents that failed get the previous version when it halts."""


class NewCampaign(CampaignChange):
    """A new campaign; it begins when it is started."""

    server_owned = CampaignChange.server_owned - {"assignment_id"}

    assignment_id: Annotated[str, Field(min_length=1, max_length=64)]
    """Of the assignment whose agents move; it pins an exact version, the one they come from."""


@view
class CampaignStageView(TypedDict):
    """One stage; one of both is null."""

    percent: int | None
    selector: dict[str, str] | None


@view
class FailureThresholdView(TypedDict):
    """As many failures halt it; one of both is null."""

    percent: int | None
    count: int | None


MaintenanceWindowView = TypedDict(
    "MaintenanceWindowView", {"time_zone": str, "days": list[str], "from": str, "to": str}
)
# Written like this because `from` is a word of Python's.
MaintenanceWindowView.__doc__ = "When agents may begin, by the clocks on the wall of a time zone."


@view
class Campaign(TypedDict):
    """An upgrade campaign."""

    id: str
    name: str
    assignment_id: str
    package: str
    from_version: str
    """The assignment's version when the campaign began, or was written."""

    to_version: str
    stages: list[CampaignStageView]
    max_in_flight: int
    watch_seconds: int
    timeout_seconds: int
    failure_threshold: FailureThresholdView
    window: MaintenanceWindowView | None
    rollback: bool
    state: str
    """draft | running | paused | halted | completed | aborted"""

    reason: str
    """Why it is halted, was aborted, or waits."""

    stage: int
    """Number of the stage it is at, from 1; 0 before it began."""

    agents: dict[str, int]
    """Agents by state: waiting, admitted, watching, succeeded, failed, rolled_back, left_out."""

    opens_at: datetime | None
    """When its maintenance window opens next; null while it is open, or without one."""

    revision: int
    created_by: str
    created_at: datetime | None
    updated_by: str
    updated_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


@view
class CampaignPage(TypedDict):
    """Part of a list of campaigns, newest first."""

    campaigns: list[Campaign]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class CampaignAgent(TypedDict):
    """One agent in a campaign."""

    agent_id: str
    state: str
    """waiting | admitted | watching | succeeded | failed | rolled_back | left_out"""

    stage: int
    """Number of the stage it was admitted in, from 1; 0 before that."""

    since: datetime | None
    """When it came into this state."""

    error_message: str
    """Why it failed or was left out."""

    put_back: bool
    """Whether it was told to go back to the previous version."""


@view
class CampaignAgentPage(TypedDict):
    """Part of the agents of a campaign, by id."""

    agents: list[CampaignAgent]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class CampaignFailure(TypedDict):
    """Agents that failed with the very same words."""

    error_message: str
    count: int
    """All of them."""

    agents: list[str]
    """Ids of at most 1000 of them."""


@view
class CampaignFailures(TypedDict):
    """What went wrong, the commonest first; at most 100 different failures."""

    failures: list[CampaignFailure]
    total: int
    """Agents that failed."""
