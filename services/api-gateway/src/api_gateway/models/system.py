"""Health, plain messages and errors."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from api_gateway.models.document import view


@view
class Message(TypedDict):
    """Done."""

    message: str


@view
class ComponentReport(TypedDict):
    """One part of the platform."""

    status: str
    """healthy | unhealthy"""

    message: str
    latency: str
    """Like 1.2ms"""


@view
class HealthReport(TypedDict):
    """The platform as this process sees it."""

    status: str
    """healthy | degraded | unhealthy"""

    timestamp: int
    """Unix seconds"""

    version: str
    components: dict[str, ComponentReport]


@view
class Ready(TypedDict):
    """Whether requests should be sent here."""

    ready: bool


@view
class Alive(TypedDict):
    """The process runs."""

    alive: bool


@view
class FieldProblem(TypedDict):
    """One thing wrong with one field."""

    field: str
    message: str
    line: NotRequired[int]
    """1-based, where the field holds text with lines."""

    column: NotRequired[int]


@view
class Problem(TypedDict):
    """An error (RFC 9457), with the keys `error` and `details` the platform always used."""

    type: str
    title: str
    status: int
    detail: str
    """One sentence."""

    code: str
    """Stable, for programs; docs/errors.md lists them."""

    error: str
    """The same as detail."""

    details: list[FieldProblem]
    request_id: str
    """Also in the header X-Request-Id and in our logs."""

    current_version: NotRequired[int]
    """With 412: the version that is current."""

    affected_agents: NotRequired[list[str]]
    """With 409 on a push: as in its answer."""

    failed_agents: NotRequired[list[str]]
    total: NotRequired[int]
    failed: NotRequired[int]
