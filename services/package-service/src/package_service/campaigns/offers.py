"""
What campaigns need of offers, as the small port it is: who is in it, how they fare, which version each should have.

A campaign knows nothing else of offers; what really happens to an agent is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from package_service.campaigns.campaign import Campaign
    from package_service.offering.progress import Progress
    from servicekit.postgres import Connection


@dataclass(frozen=True)
class Assigned:
    """The part of an assignment a campaign needs."""

    package: str
    version: str
    """Exact, or latest and its like."""

    channel: str = "stable"
    enabled: bool = True
    revision: int = 1


class Offers(Protocol):
    """Offers, seen from campaigns. Every call is inside the transaction that decides."""

    async def assignment(self, connection: Connection, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        """Return an assignment; None when there is none."""
        ...

    async def standing(self, connection: Connection, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        """Return an assignment that nobody removes until the transaction ends."""
        ...

    async def still(self, connection: Connection, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        """Return an assignment that, like the files of its tenant, nobody changes until the transaction ends."""
        ...

    async def population(
        self, connection: Connection, tenant_id: str, assignment_id: UUID
    ) -> list[tuple[bytes, Mapping[str, str]]]:
        """List the agents the assignment decides for, with their labels."""
        ...

    async def machines(
        self, connection: Connection, tenant_id: str, assignment_id: UUID
    ) -> Mapping[tuple[str, str], int]:
        """Count the same agents by platform and architecture."""
        ...

    async def progress(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes]
    ) -> dict[bytes, Progress]:
        """Tell how far these agents are; one that is not there is nowhere."""
        ...

    async def choose(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes], version: str
    ) -> None:
        """Let these agents have another version than the assignment's."""
        ...

    async def unchoose(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes] | None
    ) -> None:
        """Let the assignment's own version count again; None = for all."""
        ...

    async def settle(self, connection: Connection, campaign: Campaign) -> bool:
        """Make the campaign's new version the assignment's own; False when that is not its former one any more."""
        ...
