"""What people do with assignments and with agents' packages: make, change, remove, ask for another try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.errors import (
    AgentPackageNotFound,
    AssignmentChanged,
    AssignmentNotFound,
    NothingToRetry,
    QuotaExceeded,
)
from package_service.offering import assignment_store, matcher, reconcile, target_store
from package_service.offering.assignment import Assignment, Terms, check
from servicekit.records import replace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    import asyncpg

    from package_service.offering.distribution import Distribution
    from package_service.offering.target import Target
    from servicekit.postgres import Connection

    Guard = Callable[[Connection, Assignment], Awaitable[None]]

MAX_ASSIGNMENTS = 1000
"""Of one tenant."""


async def nobody_minds(_connection: Connection, _before: Assignment) -> None:
    """Let every assignment be changed."""


class Assignments:
    """
    Assignments of all tenants.

    Args:
        pool: The service's pool.

        distribution: Decides what follows for a single agent.

        wake: Called after commit: agents are due.

        guard: Refuses, by raising, that an assignment is changed or removed now; called where it is locked.
    """

    def __init__(
        self, pool: asyncpg.Pool, distribution: Distribution, wake: Callable[[], None], *, guard: Guard = nobody_minds
    ) -> None:
        self._pool = pool
        self._distribution = distribution
        self._wake = wake
        self._guard = guard

    async def get(self, tenant_id: str, assignment_id: UUID) -> Assignment:
        """Return an assignment; raises AssignmentNotFound."""
        found = await assignment_store.get(self._pool, tenant_id, assignment_id)
        if found is None:
            raise AssignmentNotFound
        return found

    async def create(self, tenant_id: str, name: str, terms: Terms, *, author: str) -> Assignment:
        """
        Make an assignment; agents it means are looked at within a second.

        Raises:
            InvalidPackage: Every fault, each with its field.

            AssignmentExists: The name is taken.

            QuotaExceeded: The tenant has as many as it may.
        """
        check(name, terms)
        async with self._pool.acquire() as connection, connection.transaction():
            await matcher.begin_change(connection, tenant_id)
            if await assignment_store.count(connection, tenant_id) >= MAX_ASSIGNMENTS:
                raise QuotaExceeded(f"a tenant may have {MAX_ASSIGNMENTS} package assignments")
            assignment_id = await assignment_store.add(connection, tenant_id, name, _tidy(terms), author)
        self._wake()
        return await self.get(tenant_id, assignment_id)

    async def change(
        self,
        tenant_id: str,
        assignment_id: UUID,
        edit: Callable[[Terms], Terms],
        *,
        expected_revision: int = 0,
        author: str,
    ) -> Assignment:
        """
        Change the terms of an assignment; the same terms change nothing.

        Args:
            tenant_id: Whose.

            assignment_id: Which.

            edit: Makes the new terms of the present ones.

            expected_revision: 0 = whatever it is.

            author: Who does it.

        Raises:
            AssignmentNotFound: There is none.

            AssignmentChanged: It is at another revision.

            InvalidPackage: Every fault, each with its field.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await matcher.begin_change(connection, tenant_id)
            before = await self._expected(connection, tenant_id, assignment_id, expected_revision)
            terms = _tidy(edit(before.terms))
            check(before.name, terms)
            if terms != before.terms:
                await self._guard(connection, before)
                await assignment_store.change(connection, before, terms, author)
        self._wake()
        return await self.get(tenant_id, assignment_id)

    async def delete(self, tenant_id: str, assignment_id: UUID, *, expected_revision: int = 0) -> None:
        """
        Remove an assignment; its agents get lists without the package. Raises as change() does.

        An agent to whom nothing applies any more gets the empty list.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await matcher.begin_change(connection, tenant_id)
            before = await self._expected(connection, tenant_id, assignment_id, expected_revision)
            await self._guard(connection, before)
            await assignment_store.delete(connection, before)
        self._wake()

    async def retry(self, tenant_id: str, uid: bytes, package: str, *, author: str) -> Target:
        """
        Forget what failed of a package on an agent, and offer it again if it failed, was rolled back or never answered.

        Raises:
            AgentPackageNotFound: The agent should not have it.

            NothingToRetry: Nothing of it failed there.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await self._distribution.begin(connection, tenant_id)
            before = await target_store.load(connection, tenant_id, [uid], lock=True)
            target = before.get(uid)
            if target is None or package not in target.packages:
                raise AgentPackageNotFound(package)
            now = await target_store.now(connection)
            moved = reconcile.retry(target, package, author, now)
            if moved is target:
                raise NothingToRetry(package, target.packages[package].state.value)
            effects = await self._distribution.settle(connection, tenant_id, before, [moved], now)
        self._distribution.act(effects)
        return (await target_store.load(self._pool, tenant_id, [uid]))[uid]

    async def _expected(
        self, connection: Connection, tenant_id: str, assignment_id: UUID, expected_revision: int
    ) -> Assignment:
        before = await assignment_store.lock(connection, tenant_id, assignment_id)
        if before is None:
            raise AssignmentNotFound
        if expected_revision and before.revision != expected_revision:
            raise AssignmentChanged(before.revision)
        return before


def _tidy(terms: Terms) -> Terms:
    """Say everything once, in one order."""
    return replace(terms, groups=tuple(sorted(set(terms.groups))), agents=tuple(sorted(set(terms.agents))))
