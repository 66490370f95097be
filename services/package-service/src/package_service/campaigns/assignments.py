"""Offers as campaigns need them, on what package_service.offering has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from package_service.campaigns.offers import Assigned
from package_service.offering import assignment_store, choices, matcher, progress, targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from package_service.campaigns.campaign import Campaign
    from package_service.offering.assignment import Assignment
    from package_service.offering.progress import Progress
    from servicekit.postgres import Connection


class AssignmentOffers:
    """Offers, seen from campaigns, in the database of this service."""

    async def assignment(self, connection: Connection, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        """Return an assignment; None when there is none."""
        return _assigned(await assignment_store.get(connection, tenant_id, assignment_id))

    async def standing(self, connection: Connection, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        """Return an assignment that nobody removes until the transaction ends; changing it is free."""
        return _assigned(await assignment_store.keep(connection, tenant_id, assignment_id))

    async def still(self, connection: Connection, tenant_id: str, assignment_id: UUID) -> Assigned | None:
        """Return an assignment that, like the files of its tenant, nobody changes until the transaction ends."""
        await matcher.begin_change(connection, tenant_id)
        return _assigned(await assignment_store.lock(connection, tenant_id, assignment_id))

    async def population(
        self, connection: Connection, tenant_id: str, assignment_id: UUID
    ) -> list[tuple[bytes, Mapping[str, str]]]:
        """List the agents the assignment decides for, with their labels."""
        return await targets.population(connection, tenant_id, assignment_id)

    async def machines(
        self, connection: Connection, tenant_id: str, assignment_id: UUID
    ) -> Mapping[tuple[str, str], int]:
        """Count the same agents by platform and architecture."""
        return await targets.machines(connection, tenant_id, assignment_id)

    async def progress(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes]
    ) -> dict[bytes, Progress]:
        """Tell how far these agents are."""
        return await progress.of(connection, tenant_id, assignment_id, uids)

    async def choose(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes], version: str
    ) -> None:
        """Let these agents have another version than the assignment's."""
        await choices.set_many(connection, tenant_id, assignment_id, uids, version)

    async def unchoose(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, uids: Sequence[bytes] | None
    ) -> None:
        """Let the assignment's own version count again; None = for all."""
        await choices.clear(connection, tenant_id, assignment_id, uids)

    async def settle(self, connection: Connection, campaign: Campaign) -> bool:
        """
        Make the campaign's new version the assignment's own; False when that is not its former one any more.

        The lock of whoever changes assignments comes first, as it does for everybody; rows of agents come last.
        """
        await matcher.begin_change(connection, campaign.tenant_id)
        found = await assignment_store.lock(connection, campaign.tenant_id, campaign.assignment_id)
        if found is None or (found.terms.package, found.terms.version) != (campaign.package, campaign.from_version):
            return False
        terms = replace(found.terms, version=campaign.to_version)
        await assignment_store.change(connection, found, terms, campaign.updated_by)
        return True


def _assigned(found: Assignment | None) -> Assigned | None:
    if found is None:
        return None
    terms = found.terms
    return Assigned(terms.package, terms.version, terms.channel, terms.enabled, found.revision)
