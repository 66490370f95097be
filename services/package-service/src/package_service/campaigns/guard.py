"""
Keeps people from pulling an assignment from under its campaign; what slips through, the runner holds or ends.

Whoever starts a campaign holds the same lock as whoever changes an assignment, so one of both sees the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from package_service.campaigns import campaign_store
from package_service.errors import AssignmentBusy

if TYPE_CHECKING:
    from package_service.offering.assignment import Assignment
    from servicekit.postgres import Connection

NOBODY = UUID(int=0)


async def refuse_while_moved(connection: Connection, before: Assignment) -> None:
    """
    Refuse to change or remove a locked assignment whose agents a campaign moves.

    Whatever is changed of it: who it is for decides whom the campaign has, and so what its end means.

    Raises:
        AssignmentBusy: With the campaign's name, and what to do instead.
    """
    campaign = await campaign_store.busy(connection, before.tenant_id, before.assignment_id, NOBODY)
    if campaign is not None:
        raise AssignmentBusy(campaign)
