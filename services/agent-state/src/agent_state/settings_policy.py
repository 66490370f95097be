"""
Which connection settings an agent should have: policies, whom they match, and which of them decides. Pure.

Policies are merged member by member: opamp, each kind of own telemetry and each named connection come whole from
one policy, the matching one with the highest priority; equal: the name that sorts first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from datetime import datetime

Member = Literal["opamp", "own_metrics", "own_traces", "own_logs"]

OWN_TELEMETRY: Final[tuple[Literal["own_metrics", "own_traces", "own_logs"], ...]] = (
    "own_metrics",
    "own_traces",
    "own_logs",
)
SINGLE_MEMBERS: Final[tuple[Member, ...]] = ("opamp", *OWN_TELEMETRY)


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings for the agents a selector matches."""

    tenant_id: str
    name: str
    settings: opamp.ConnectionSettingsOffers
    """Never changed once it is in here; its hash is empty."""

    selector: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    version: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    author: str = ""


@dataclass(frozen=True, slots=True)
class Merged:
    """What the policies together say of one agent, before its capabilities are looked at."""

    settings: opamp.ConnectionSettingsOffers
    sources: Mapping[str, str]
    """Member to policy name; a named connection is `other_connections/<name>`."""

    order: Sequence[str]
    """Names of the policies that match, the one that decides first."""


def matches(policy: Policy, labels: Mapping[str, str]) -> bool:
    """Say whether every pair of the selector stands among the labels; an empty selector matches every agent."""
    return all(labels.get(key) == value for key, value in policy.selector.items())


def in_precedence(policies: Iterable[Policy]) -> list[Policy]:
    """Sort policies so that the one that decides comes first."""
    return sorted(policies, key=lambda policy: (-policy.priority, policy.name))


def merge(policies: Sequence[Policy], labels: Mapping[str, str]) -> Merged:
    """
    Put together what an agent with these labels should have.

    Args:
        policies: Of one tenant, as in_precedence() sorts them.

        labels: Every attribute of the agent as text, stamped labels included.
    """
    settings = opamp.ConnectionSettingsOffers()
    sources: dict[str, str] = {}
    matching = [policy for policy in policies if matches(policy, labels)]
    for policy in matching:
        for member in SINGLE_MEMBERS:
            if member not in sources and policy.settings.HasField(member):
                getattr(settings, member).CopyFrom(getattr(policy.settings, member))
                sources[member] = policy.name
        for name, connection in policy.settings.other_connections.items():
            if other(name) not in sources:
                settings.other_connections[name].CopyFrom(connection)
                sources[other(name)] = policy.name
    return Merged(settings, sources, [policy.name for policy in matching])


def other(name: str) -> str:
    """Name the member that a named connection is."""
    return f"other_connections/{name}"
