"""Nobody pulls an assignment from under its campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from contracts import subjects
from fleet.api.v1 import package_offers_pb2 as api
from package_service.campaigns.guard import Guard
from package_service.errors import AssignmentBusy
from rollout import Rollout, State

from .campaign_ground import ASSIGNMENT, Ground
from .conftest import TENANT
from .test_campaigns_campaign_store import kept, moved

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg


async def answer(request: Any) -> Any:
    """Answer with what was asked."""
    return request


@pytest.fixture
def guarded(pool: asyncpg.Pool) -> Callable[[Any, Any], Awaitable[Any]]:
    """Give a way to ask the guarded handlers."""
    methods = (subjects.UPDATE_PACKAGE_ASSIGNMENT, subjects.DELETE_PACKAGE_ASSIGNMENT, subjects.GET_PACKAGE_ASSIGNMENT)
    handlers = Guard(pool, Ground()).before(dict.fromkeys(methods, answer))

    async def ask(method: Any, request: Any) -> Any:
        return await handlers[method](request)

    return ask


def change(assignment: UUID | str = ASSIGNMENT, **draft: Any) -> api.UpdatePackageAssignmentRequest:
    """Write a change."""
    return api.UpdatePackageAssignmentRequest(
        tenant_id=TENANT, id=str(assignment), draft=api.PackageAssignmentDraft(**draft)
    )


def delete(assignment: UUID | str = ASSIGNMENT) -> api.DeletePackageAssignmentRequest:
    """Write a deletion."""
    return api.DeletePackageAssignmentRequest(tenant_id=TENANT, id=str(assignment))


async def test_refused_while_a_campaign_lives(pool: asyncpg.Pool, guarded: Any) -> None:
    """To delete it, and to pin another version; everything else goes through."""
    await moved(pool, await kept(pool), Rollout(State.PAUSED))

    with pytest.raises(AssignmentBusy):
        await guarded(subjects.DELETE_PACKAGE_ASSIGNMENT, delete())
    with pytest.raises(AssignmentBusy):
        await guarded(subjects.UPDATE_PACKAGE_ASSIGNMENT, change(version="2.0.0"))
    for method, request in (
        (subjects.UPDATE_PACKAGE_ASSIGNMENT, change(version="1.0.0")),
        (subjects.UPDATE_PACKAGE_ASSIGNMENT, change(priority=3)),
        (subjects.DELETE_PACKAGE_ASSIGNMENT, delete(UUID(int=99))),
        (subjects.DELETE_PACKAGE_ASSIGNMENT, delete("no id")),
        (subjects.GET_PACKAGE_ASSIGNMENT, api.GetPackageAssignmentRequest(tenant_id=TENANT, id=str(ASSIGNMENT))),
    ):
        assert await guarded(method, request) == request


async def test_allowed_before_and_after(pool: asyncpg.Pool, guarded: Any) -> None:
    """A draft holds nothing, and neither does a campaign that has ended."""
    campaign = await kept(pool)
    for state in (State.DRAFT, State.COMPLETED, State.ABORTED):
        await moved(pool, campaign, Rollout(state))
        assert await guarded(subjects.DELETE_PACKAGE_ASSIGNMENT, delete()) == delete()
