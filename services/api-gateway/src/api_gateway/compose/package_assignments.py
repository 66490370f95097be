"""From package-service's messages about offers to views, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.compose.values import moment
from contracts.ids import AgentUid, format_uid
from fleet.api.v1 import package_offers_pb2 as messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api_gateway.models import package_assignments as views


def draft_message(document: views.AssignmentDraft, uids: Sequence[AgentUid] | None) -> messages.PackageAssignmentDraft:
    """
    Write what a person gave of an assignment; what was left out stays unset.

    Args:
        document: As it came.

        uids: Its agents, read; None = left out.
    """
    draft = messages.PackageAssignmentDraft(
        channel=document.channel, version=document.version, priority=document.priority, enabled=document.enabled
    )
    if document.selector is not None:
        draft.selector.SetInParent()
        draft.selector.match_labels.update(document.selector)
    if document.groups is not None:
        draft.groups.SetInParent()
        draft.groups.names.extend(document.groups)
    if uids is not None:
        draft.agents.SetInParent()
        draft.agents.instance_uids.extend(uids)
    return draft


def assignment_view(assignment: messages.PackageAssignment) -> views.PackageAssignment:
    """Show an assignment."""
    return {
        "id": assignment.id,
        "name": assignment.name,
        "package": assignment.package,
        "channel": assignment.channel,
        "version": assignment.version,
        "selector": dict(assignment.selector),
        "groups": list(assignment.groups),
        "agents": [format_uid(AgentUid(uid)) for uid in assignment.instance_uids],
        "priority": assignment.priority,
        "enabled": assignment.enabled,
        "revision": assignment.revision,
        "created_by": assignment.created_by,
        "created_at": moment(assignment.created_at),
        "updated_by": assignment.updated_by,
        "updated_at": moment(assignment.updated_at),
        "states": dict(assignment.states),
    }


def assignment_page_view(
    reply: messages.ListPackageAssignmentsReply, *, limit: int, offset: int
) -> views.PackageAssignmentPage:
    """Show part of a list."""
    return {
        "package_assignments": [assignment_view(each) for each in reply.assignments],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def agent_package_view(package: messages.AgentPackage, uid: AgentUid | None = None) -> views.AgentPackage:
    """Show how far an agent is with a package; *uid* says whose it is, where that is known already."""
    return {
        "agent_id": format_uid(uid or AgentUid(package.instance_uid)),
        "package": package.package,
        "assignment_id": package.assignment_id or None,
        "assignment": package.assignment_name or None,
        "version": package.version,
        "state": package.state,
        "percent": package.percent,
        "error_message": package.error_message,
        "reported_version": package.reported_version,
        "healthy": package.healthy if package.HasField("healthy") else None,
        "connected": package.connected,
        "since": moment(package.since),
        "package_id": package.file_id or None,
        "package_hash": package.package_hash.hex(),
        "given_up": package.given_up,
    }


def assigned_agent_page_view(
    reply: messages.ListAssignmentAgentsReply, *, limit: int, offset: int
) -> views.AssignedAgentPage:
    """Show part of the agents of an assignment."""
    return {
        "agents": [agent_package_view(each) for each in reply.agents],
        "states": dict(reply.states),
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def agent_packages_view(uid: AgentUid, reply: messages.GetAgentPackagesReply) -> views.AgentPackages:
    """Show the packages of an agent."""
    return {
        "agent_id": format_uid(uid),
        "accepts": reply.accepts,
        "platform": reply.platform,
        "arch": reply.arch,
        "packages": [agent_package_view(each, uid) for each in reply.packages],
        "desired_hash": reply.desired_hash.hex(),
        "offered_hash": reply.offered_hash.hex(),
        "reported_hash": reply.reported_hash.hex(),
        "held": reply.held,
        "error_message": reply.error_message,
    }


def attempt_page_view(reply: messages.ListPackageAttemptsReply, *, limit: int, offset: int) -> views.PackageAttemptPage:
    """Show part of the attempts."""
    return {
        "attempts": [_attempt_view(each) for each in reply.attempts],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def _attempt_view(attempt: messages.PackageAttempt) -> views.PackageAttempt:
    return {
        "id": attempt.id,
        "agent_id": format_uid(AgentUid(attempt.instance_uid)),
        "package": attempt.package,
        "version": attempt.version,
        "package_hash": attempt.package_hash.hex(),
        "assignment_id": attempt.assignment_id or None,
        "attempt": attempt.attempt,
        "state": attempt.state,
        "error_message": attempt.error_message,
        "requested_by": attempt.requested_by,
        "created_at": moment(attempt.created_at),
        "updated_at": moment(attempt.updated_at),
    }
