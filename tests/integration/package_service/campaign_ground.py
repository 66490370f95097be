"""Agents for campaigns: offers as they are in memory, and told at once; whether they fail is up to the test."""

# ruff: noqa: ARG002 - memory needs neither a connection nor a tenant
from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from package_service.campaigns.campaign import Draft
from package_service.campaigns.offers import Assigned
from package_service.offering.progress import Progress
from rollout import Plan, Stage, Threshold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from package_service.campaigns.campaign import Campaign
    from servicekit.postgres import Connection

ASSIGNMENT = UUID(int=7)
T0 = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan(
    stages=(Stage(percent=10), Stage(percent=100)),
    max_in_flight=1000,
    watch_seconds=0,
    timeout_seconds=600,
    threshold=Threshold(percent=10),
)
DRAFT = Draft("to-1.1", "1.1.0", PLAN)


def uid_of(number: int) -> bytes:
    """Name an agent."""
    return number.to_bytes(16, "big")


@dataclass
class Ground:
    """
    Offers in memory, as campaigns see them.

    Attributes:
        assigned: The assignment; None = it was deleted.

        agents: Labels by uid.

        choices: Version by uid, where it is not the assignment's.

        bad: Agents that fail to install anything new, with their words.

        away: Agents that are not connected.

        settles: Whether the last step goes through.

        kinds: Agents by platform and architecture; empty = all of linux/amd64.
    """

    assignment_id: UUID = ASSIGNMENT
    assigned: Assigned | None = field(default_factory=lambda: Assigned("collector", "1.0.0"))
    agents: dict[bytes, dict[str, str]] = field(default_factory=dict)
    choices: dict[bytes, str] = field(default_factory=dict)
    bad: dict[bytes, str] = field(default_factory=dict)
    away: set[bytes] = field(default_factory=set)
    settles: bool = True
    kinds: dict[tuple[str, str], int] = field(default_factory=dict)

    def people(self, count: int) -> None:
        """Fill the fleet."""
        self.agents = {uid_of(number): {} for number in range(count)}

    async def assignment(self, connection: Connection, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        """Return the assignment, if it is the one there is."""
        return self.assigned if assignment_id == self.assignment_id else None

    async def standing(self, connection: Connection, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        """Return the assignment; memory keeps nobody away."""
        return await self.assignment(connection, tenant_id, assignment_id)

    async def still(self, connection: Connection, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        """Return the assignment; memory keeps nobody away."""
        return await self.assignment(connection, tenant_id, assignment_id)

    async def population(
        self, connection: Connection, tenant_id: str, assignment_id: UUID
    ) -> list[tuple[bytes, Mapping[str, str]]]:
        """List the fleet."""
        return list(self.agents.items())

    async def machines(
        self, connection: Connection, tenant_id: str, assignment_id: UUID
    ) -> Mapping[tuple[str, str], int]:
        """Tell the machines the test says, or one of the same kind for everybody."""
        return self.kinds or {("linux", "amd64"): len(self.agents)}

    async def progress(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes]
    ) -> dict[bytes, Progress]:
        """Tell that everybody has what it should have, but for the bad."""
        return {uid: self._progress(uid) for uid in uids}

    async def choose(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes], version: str
    ) -> None:
        """Set choices."""
        self.choices |= dict.fromkeys(uids, version)

    async def unchoose(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes] | None
    ) -> None:
        """Clear choices."""
        for uid in list(self.choices) if uids is None else uids:
            self.choices.pop(uid, None)

    async def settle(self, connection: Connection, campaign: Campaign) -> bool:
        """Take the new version, unless somebody was faster, or the test says so."""
        if not self.settles or self.assigned is None or self.assigned.version != campaign.from_version:
            return False
        self.assigned = replace(self.assigned, version=campaign.to_version, revision=self.assigned.revision + 1)
        return True

    def _progress(self, uid: bytes) -> Progress:
        own = self.assigned.version if self.assigned is not None else ""
        version, connected = self.choices.get(uid, own), uid not in self.away
        if uid in self.bad and version != "1.0.0":
            return Progress(version, "failed", self.bad[uid], healthy=True, connected=connected, since=T0)
        if uid in self.away and version != own:
            return Progress(version, "pending", "", healthy=True, connected=False, since=T0)
        return Progress(version, "installed", "", healthy=True, connected=connected, since=T0)
