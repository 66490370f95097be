"""Questions to package-service about who should have which packages, and who has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.compose.package_assignments import draft_message
from api_gateway.upstream.agent_state import page_of
from api_gateway.upstream.package_service import PackageService
from contracts import subjects
from fleet.api.v1 import package_offers_pb2 as messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api_gateway.models.package_assignments import (
        AssignedAgentQuery,
        AssignmentChange,
        AssignmentQuery,
        NewAssignment,
        PackageAttemptQuery,
    )
    from contracts.ids import AgentUid


class PackageOffers(PackageService):
    """package-service's assignments and offers, seen from here."""

    async def create(
        self, tenant_id: str, document: NewAssignment, uids: Sequence[AgentUid] | None, author: str
    ) -> messages.PackageAssignment:
        """Make an assignment; Conflict when the name exists."""
        draft = draft_message(document, uids)
        draft.package = document.package
        request = messages.CreatePackageAssignmentRequest(
            tenant_id=tenant_id, name=document.name, draft=draft, author=author
        )
        return (await self.ask(subjects.CREATE_PACKAGE_ASSIGNMENT, request)).assignment

    async def update(
        self,
        tenant_id: str,
        assignment_id: str,
        document: AssignmentChange,
        uids: Sequence[AgentUid] | None,
        author: str,
        *,
        expected_revision: int,
    ) -> messages.PackageAssignment:
        """Change an assignment; NotFound, PreconditionFailed when *expected_revision* is set and not current."""
        request = messages.UpdatePackageAssignmentRequest(
            tenant_id=tenant_id,
            id=assignment_id,
            draft=draft_message(document, uids),
            expected_revision=expected_revision,
            author=author,
        )
        return (await self.ask(subjects.UPDATE_PACKAGE_ASSIGNMENT, request)).assignment

    async def assignment(self, tenant_id: str, assignment_id: str) -> messages.PackageAssignment:
        """Get an assignment; NotFound."""
        request = messages.GetPackageAssignmentRequest(tenant_id=tenant_id, id=assignment_id)
        return (await self.ask(subjects.GET_PACKAGE_ASSIGNMENT, request)).assignment

    async def list_assignments(self, tenant_id: str, query: AssignmentQuery) -> messages.ListPackageAssignmentsReply:
        """List assignments by name."""
        request = messages.ListPackageAssignmentsRequest(
            tenant_id=tenant_id,
            page=page_of(query),
            package=query.package,
            search=query.search or query.q,
            enabled=query.enabled,
        )
        return await self.ask(subjects.LIST_PACKAGE_ASSIGNMENTS, request)

    async def remove(self, tenant_id: str, assignment_id: str, author: str, *, expected_revision: int) -> None:
        """Delete an assignment; NotFound, PreconditionFailed, Conflict while a campaign moves it."""
        request = messages.DeletePackageAssignmentRequest(
            tenant_id=tenant_id, id=assignment_id, expected_revision=expected_revision, author=author
        )
        await self.ask(subjects.DELETE_PACKAGE_ASSIGNMENT, request)

    async def agents(
        self, tenant_id: str, assignment_id: str, query: AssignedAgentQuery
    ) -> messages.ListAssignmentAgentsReply:
        """List the agents an assignment decides for; NotFound."""
        request = messages.ListAssignmentAgentsRequest(
            tenant_id=tenant_id, id=assignment_id, page=page_of(query), states=query.state
        )
        return await self.ask(subjects.LIST_ASSIGNMENT_AGENTS, request)

    async def of_agent(self, tenant_id: str, uid: AgentUid) -> messages.GetAgentPackagesReply:
        """Tell what an agent should have and has; NotFound."""
        request = messages.GetAgentPackagesRequest(tenant_id=tenant_id, instance_uid=uid)
        return await self.ask(subjects.GET_AGENT_PACKAGES, request)

    async def retry(self, tenant_id: str, uid: AgentUid, package: str, author: str) -> messages.AgentPackage:
        """Offer again what failed; NotFound, Conflict when nothing failed."""
        request = messages.RetryAgentPackageRequest(
            tenant_id=tenant_id, instance_uid=uid, package=package, author=author
        )
        return (await self.ask(subjects.RETRY_AGENT_PACKAGE, request)).package

    async def list_attempts(
        self, tenant_id: str, query: PackageAttemptQuery, uid: AgentUid | None
    ) -> messages.ListPackageAttemptsReply:
        """List attempts, newest first."""
        request = messages.ListPackageAttemptsRequest(
            tenant_id=tenant_id,
            page=page_of(query),
            instance_uid=uid or b"",
            package=query.package,
            states=query.state,
        )
        return await self.ask(subjects.LIST_PACKAGE_ATTEMPTS, request)
