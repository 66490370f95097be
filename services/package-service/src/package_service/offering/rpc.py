"""The questions about offers package-service answers on the bus: one call and back. No SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts import subjects
from contracts.ids import UID_LENGTH
from fleet.api.v1 import package_offers_pb2 as api
from fleet.api.v1 import page_pb2
from package_service.offering import assignment_store, attempt_store, standing_store, target_store, wire
from package_service.offering.assignment import MAX_AGENTS, MAX_GROUPS, Terms
from package_service.offering.standing import SUPERSEDED, State
from package_service.package import check_name
from package_service.requests import check_request, invalid
from servicekit.paging import cut, page_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    import asyncpg
    from google.protobuf.message import Message

    from package_service.offering.assignment import Assignment
    from package_service.offering.assignments import Assignments

ATTEMPT_STATES = (*(state.value for state in State if state is not State.PENDING), SUPERSEDED)


class OfferQuestions:
    """
    Answers.

    Args:
        pool: For reading lists.

        assignments: For what people do.
    """

    def __init__(self, pool: asyncpg.Pool, assignments: Assignments) -> None:
        self._pool = pool
        self._assignments = assignments

    def handlers(self) -> Mapping[Any, Callable[[Any], Awaitable[Message]]]:
        """Return every method answered here and what answers it."""
        return {
            subjects.CREATE_PACKAGE_ASSIGNMENT: self.create_package_assignment,
            subjects.UPDATE_PACKAGE_ASSIGNMENT: self.update_package_assignment,
            subjects.GET_PACKAGE_ASSIGNMENT: self.get_package_assignment,
            subjects.LIST_PACKAGE_ASSIGNMENTS: self.list_package_assignments,
            subjects.DELETE_PACKAGE_ASSIGNMENT: self.delete_package_assignment,
            subjects.LIST_ASSIGNMENT_AGENTS: self.list_assignment_agents,
            subjects.GET_AGENT_PACKAGES: self.get_agent_packages,
            subjects.RETRY_AGENT_PACKAGE: self.retry_agent_package,
            subjects.LIST_PACKAGE_ATTEMPTS: self.list_package_attempts,
        }

    async def create_package_assignment(
        self, request: api.CreatePackageAssignmentRequest
    ) -> api.CreatePackageAssignmentReply:
        """Make an assignment."""
        check_request(request)
        _check_draft(request.draft)
        made = await self._assignments.create(
            request.tenant_id, request.name, wire.edited(Terms(), request.draft), author=request.author
        )
        return api.CreatePackageAssignmentReply(assignment=await self._shown(made))

    async def update_package_assignment(
        self, request: api.UpdatePackageAssignmentRequest
    ) -> api.UpdatePackageAssignmentReply:
        """Change an assignment."""
        check_request(request)
        _check_draft(request.draft)
        changed = await self._assignments.change(
            request.tenant_id,
            wire.assignment_id_of(request.id),
            lambda terms: wire.edited(terms, request.draft),
            expected_revision=request.expected_revision,
            author=request.author,
        )
        return api.UpdatePackageAssignmentReply(assignment=await self._shown(changed))

    async def get_package_assignment(self, request: api.GetPackageAssignmentRequest) -> api.GetPackageAssignmentReply:
        """Return an assignment."""
        check_request(request)
        found = await self._assignments.get(request.tenant_id, wire.assignment_id_of(request.id))
        return api.GetPackageAssignmentReply(assignment=await self._shown(found))

    async def list_package_assignments(
        self, request: api.ListPackageAssignmentsRequest
    ) -> api.ListPackageAssignmentsReply:
        """List assignments by name."""
        check_request(request)
        if request.package:
            check_name(request.package)
        enabled = request.enabled if request.HasField("enabled") else None
        page = page_of(request.page, "package assignments", request.tenant_id, request.package, request.search, enabled)
        rows, total = await assignment_store.list_rows(
            self._pool,
            request.tenant_id,
            page,
            package=request.package,
            search=request.search,
            enabled=enabled,
        )
        shown, cursor = cut(rows, page, lambda row: (row.name,))
        states = await assignment_store.states(self._pool, request.tenant_id, [row.assignment_id for row in shown])
        return api.ListPackageAssignmentsReply(
            assignments=[wire.assignment_message(row, states.get(row.assignment_id, {})) for row in shown],
            page=page_pb2.PageReply(total=total, next_cursor=cursor),
        )

    async def delete_package_assignment(
        self, request: api.DeletePackageAssignmentRequest
    ) -> api.DeletePackageAssignmentReply:
        """Remove an assignment."""
        check_request(request)
        await self._assignments.delete(
            request.tenant_id, wire.assignment_id_of(request.id), expected_revision=request.expected_revision
        )
        return api.DeletePackageAssignmentReply()

    async def list_assignment_agents(self, request: api.ListAssignmentAgentsRequest) -> api.ListAssignmentAgentsReply:
        """Tell where the agents of an assignment stand."""
        check_request(request)
        wanted = _states_of(request.states, tuple(State))
        assignment = await self._assignments.get(request.tenant_id, wire.assignment_id_of(request.id))
        page = page_of(request.page, "assignment agents", request.tenant_id, request.id, wanted)
        rows = await standing_store.list_rows(
            self._pool, request.tenant_id, assignment.assignment_id, page, states=wanted
        )
        shown, cursor = cut(rows, page, lambda row: (row[0].uid.hex(),))
        found = await assignment_store.states(self._pool, request.tenant_id, [assignment.assignment_id])
        counts = found.get(assignment.assignment_id, {})
        total = sum(agents for state, agents in counts.items() if not wanted or state in wanted)
        return api.ListAssignmentAgentsReply(
            agents=[wire.agent_package_message(target, item, assignment.name) for target, item in shown],
            page=page_pb2.PageReply(total=total, next_cursor=cursor),
            states=counts,
        )

    async def get_agent_packages(self, request: api.GetAgentPackagesRequest) -> api.GetAgentPackagesReply:
        """Tell where an agent stands with every package; of one nobody heard of, nothing."""
        check_request(request)
        uid = _uid_of(request.instance_uid)
        target = (await target_store.load(self._pool, request.tenant_id, [uid])).get(uid)
        if target is None:
            return api.GetAgentPackagesReply()
        ids = [item.assignment_id for item in target.packages.values()]
        return wire.agent_message(target, await standing_store.names_of(self._pool, request.tenant_id, ids))

    async def retry_agent_package(self, request: api.RetryAgentPackageRequest) -> api.RetryAgentPackageReply:
        """Offer a package again because somebody asks."""
        check_request(request)
        check_name(request.package)
        uid = _uid_of(request.instance_uid)
        target = await self._assignments.retry(request.tenant_id, uid, request.package, author=request.author)
        item = target.packages[request.package]
        names = await standing_store.names_of(self._pool, request.tenant_id, [item.assignment_id])
        message = wire.agent_package_message(target, item, names.get(item.assignment_id, ""))
        return api.RetryAgentPackageReply(package=message)

    async def list_package_attempts(self, request: api.ListPackageAttemptsRequest) -> api.ListPackageAttemptsReply:
        """List tries, newest first."""
        check_request(request)
        if request.package:
            check_name(request.package)
        wanted = _states_of(request.states, ATTEMPT_STATES)
        uid = _uid_of(request.instance_uid) if request.instance_uid else None
        page = page_of(request.page, "package attempts", request.tenant_id, uid, request.package, wanted)
        rows, total = await attempt_store.list_rows(
            self._pool, request.tenant_id, page, uid=uid, package=request.package, states=wanted
        )
        shown, cursor = cut(rows, page, lambda row: (str(row.attempt_id),))
        return api.ListPackageAttemptsReply(
            attempts=[wire.attempt_message(row) for row in shown],
            page=page_pb2.PageReply(total=total, next_cursor=cursor),
        )

    async def _shown(self, assignment: Assignment) -> api.PackageAssignment:
        states = await assignment_store.states(self._pool, assignment.tenant_id, [assignment.assignment_id])
        return wire.assignment_message(assignment, states.get(assignment.assignment_id, {}))


def _check_draft(draft: api.PackageAssignmentDraft) -> None:
    """Refuse what is too much to be looked at one by one."""
    if len(draft.groups.names) > MAX_GROUPS:
        raise invalid("groups", f"must be at most {MAX_GROUPS}")
    if len(draft.agents.instance_uids) > MAX_AGENTS:
        raise invalid("agents", f"must be at most {MAX_AGENTS}")


def _states_of(asked: Iterable[str], known: Sequence[str]) -> list[str]:
    wanted = sorted(set(asked))
    if not set(wanted) <= set(known):
        raise invalid("states", f"must be of: {', '.join(known)}")
    return wanted


def _uid_of(uid: bytes) -> bytes:
    if len(uid) != UID_LENGTH:
        raise invalid("instance_uid", f"must be {UID_LENGTH} bytes")
    return uid
