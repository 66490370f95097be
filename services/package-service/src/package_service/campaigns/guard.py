"""Keeps people from pulling an assignment from under its campaign; what slips through, the runner holds or ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from contracts import subjects
from package_service.campaigns import campaign_store
from package_service.errors import AssignmentBusy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import asyncpg
    from google.protobuf.message import Message

    from package_service.campaigns.offers import Offers

    Handlers = Mapping[Any, Callable[[Any], Awaitable[Message]]]

NOBODY = UUID(int=0)


class Guard:
    """
    Stands before what is asked of assignments.

    Args:
        pool: The service's database.

        offers: To tell which version an assignment has.
    """

    def __init__(self, pool: asyncpg.Pool, offers: Offers) -> None:
        self._pool = pool
        self._offers = offers

    def before(self, handlers: Handlers) -> Handlers:
        """Return the same handlers, which refuse to delete or repin an assignment while a campaign moves its agents."""
        change, delete = handlers[subjects.UPDATE_PACKAGE_ASSIGNMENT], handlers[subjects.DELETE_PACKAGE_ASSIGNMENT]

        async def guarded_change(request: Any) -> Message:
            if request.draft.HasField("version") and await self._is_busy(request, request.draft.version):
                raise AssignmentBusy
            return await change(request)

        async def guarded_delete(request: Any) -> Message:
            if await self._is_busy(request):
                raise AssignmentBusy
            return await delete(request)

        return {
            **handlers,
            subjects.UPDATE_PACKAGE_ASSIGNMENT: guarded_change,
            subjects.DELETE_PACKAGE_ASSIGNMENT: guarded_delete,
        }

    async def _is_busy(self, request: Any, version: str = "") -> bool:
        """Say whether a campaign lives that this would disturb; what cannot be asked about is for others to refuse."""
        try:
            assignment_id = UUID(request.id)
        except ValueError:
            return False
        async with self._pool.acquire() as connection:
            if await campaign_store.busy(connection, request.tenant_id, assignment_id, NOBODY) is None:
                return False
            assigned = await self._offers.assignment(connection, request.tenant_id, assignment_id)
            return assigned is not None and assigned.version != version
