"""
What an agent's words mean: who it says it is, how it fares, whether it runs what it was sent. Pure.

Everything here is bounded and safe to store: no NUL characters, no endless texts, no million labels. The
mapping of states to the one status people see is the generated column agent.status, nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contracts.labels import labels_of
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NAME_CHARACTERS = 255
MAX_ERROR_CHARACTERS = 2048

STATUSES = ("online", "offline", "error")
LINKS = ("connected", "disconnected")
HEALTH_STATES = ("unknown", "healthy", "unhealthy")
CONFIG_STATES = ("unset", "applying", "applied", "failed")

_CONFIG_STATE_OF = {
    opamp.RemoteConfigStatuses_UNSET: "unset",
    opamp.RemoteConfigStatuses_APPLIED: "applied",
    opamp.RemoteConfigStatuses_APPLYING: "applying",
    opamp.RemoteConfigStatuses_FAILED: "failed",
}

_TWO_TO_64 = 1 << 64
_TWO_TO_63 = 1 << 63


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an agent says it is."""

    name: str
    version: str
    hostname: str
    os_type: str
    architecture: str
    labels: dict[str, str]
    truncated: int
    """How many labels were left out or cut to stay within the bounds."""


@dataclass(frozen=True, slots=True)
class Health:
    """The root of an agent's health tree, as far as lists show it."""

    state: str
    error: str
    status: str


@dataclass(frozen=True, slots=True)
class ConfigStatus:
    """What an agent says of the remote config it was sent last."""

    state: str
    error: str
    config_hash: bytes


def identify(description: opamp.AgentDescription) -> Identity:
    """
    Read name, version, host and labels from a description.

    Agents put host.* and os.* among either kind of attribute, so both are searched; where both name a key, the
    identifying one wins.
    """
    labels, truncated = labels_of(description)
    return Identity(
        name=labels.get("service.name", "")[:MAX_NAME_CHARACTERS],
        version=labels.get("service.version", "")[:MAX_NAME_CHARACTERS],
        hostname=labels.get("host.name", "")[:MAX_NAME_CHARACTERS],
        os_type=(labels.get("os.type") or labels.get("os.name", ""))[:MAX_NAME_CHARACTERS],
        architecture=labels.get("host.arch", "")[:MAX_NAME_CHARACTERS],
        labels=labels,
        truncated=truncated,
    )


def stamped_with(identity: Identity, stamps: Mapping[str, str] | None) -> Identity:
    """Let the labels an enrolment stamps win over what the agent says of itself."""
    return replace(identity, labels={**identity.labels, **stamps}) if stamps else identity


def health_of(health: opamp.ComponentHealth) -> Health:
    """Judge the root of a health tree: the agent speaks for its components."""
    return Health(
        state="healthy" if health.healthy else "unhealthy",
        error="" if health.healthy else clean(health.last_error, MAX_ERROR_CHARACTERS),
        status=clean(health.status, MAX_NAME_CHARACTERS),
    )


def config_status_of(status: opamp.RemoteConfigStatus) -> ConfigStatus:
    """Read what became of the last remote config; a status this version does not know counts as unset."""
    state = _CONFIG_STATE_OF.get(status.status, "unset")
    return ConfigStatus(
        state=state,
        error=clean(status.error_message, MAX_ERROR_CHARACTERS) if state == "failed" else "",
        config_hash=status.last_remote_config_hash[:64],
    )


def clean(text: str, limit: int) -> str:
    """Make text storable: PostgreSQL takes no NUL character, and nobody needs more than *limit* characters."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text[:limit]


def to_signed(value: int) -> int:
    """Fit an unsigned 64-bit number into a bigint column."""
    return value - _TWO_TO_64 if value >= _TWO_TO_63 else value


def from_signed(value: int) -> int:
    """Undo to_signed."""
    return value + _TWO_TO_64 if value < 0 else value
