"""Between rows and messages. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from fleet.api.v1 import package_offers_pb2 as api
from package_service.errors import AssignmentNotFound
from package_service.offering.assignment import Terms
from package_service.offering.standing import GIVEN_UP
from servicekit.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from package_service.offering.assignment import Assignment
    from package_service.offering.attempt_store import Attempt
    from package_service.offering.standing import Standing
    from package_service.offering.target import Target

LOCAL = "local"
"""State of a package the agent has and nobody assigned."""


def assignment_id_of(text: str) -> UUID:
    """Read the id of an assignment; what cannot be one names none."""
    try:
        return UUID(text)
    except ValueError:
        raise AssignmentNotFound from None


def edited(terms: Terms, draft: api.PackageAssignmentDraft) -> Terms:
    """Return the terms after an edit; absent fields stay."""
    changes: dict[str, object] = {
        name: getattr(draft, name)
        for name in ("package", "channel", "version", "priority", "enabled")
        if draft.HasField(name)
    }
    if draft.HasField("selector"):
        changes["selector"] = dict(draft.selector.match_labels)
    if draft.HasField("groups"):
        changes["groups"] = tuple(draft.groups.names)
    if draft.HasField("agents"):
        changes["agents"] = tuple(draft.agents.instance_uids)
    return replace(terms, **changes)


def assignment_message(assignment: Assignment, states: Mapping[str, int]) -> api.PackageAssignment:
    """Write an assignment."""
    terms = assignment.terms
    return api.PackageAssignment(
        id=str(assignment.assignment_id),
        tenant_id=assignment.tenant_id,
        name=assignment.name,
        package=terms.package,
        channel=terms.channel,
        version=terms.version,
        selector=terms.selector,
        groups=terms.groups,
        instance_uids=terms.agents,
        priority=terms.priority,
        enabled=terms.enabled,
        revision=assignment.revision,
        created_by=assignment.created_by,
        created_at=_timestamp(assignment.created_at),
        updated_by=assignment.updated_by,
        updated_at=_timestamp(assignment.updated_at),
        states=states,
    )


def agent_package_message(target: Target, item: Standing, assignment_name: str) -> api.AgentPackage:
    """Write where an agent stands with a package."""
    return api.AgentPackage(
        instance_uid=target.uid,
        package=item.package,
        assignment_id=str(item.assignment_id),
        assignment_name=assignment_name,
        version=item.version,
        state=item.state.value,
        percent=item.percent,
        error_message=item.error,
        reported_version=target.reported.get(item.package, ("", ""))[0],
        healthy=target.healthy,
        connected=target.connected,
        since=_timestamp(item.since),
        file_id=str(item.file_id or ""),
        package_hash=item.package_hash,
        given_up=item.state in GIVEN_UP,
    )


def agent_message(target: Target, assignment_names: Mapping[UUID, str]) -> api.GetAgentPackagesReply:
    """Write where an agent stands with every package, those it has on its own included."""
    packages: list[api.AgentPackage] = [
        agent_package_message(target, item, assignment_names.get(item.assignment_id, ""))
        for item in target.packages.values()
    ]
    packages.extend(
        api.AgentPackage(
            instance_uid=target.uid,
            package=name,
            state=LOCAL,
            reported_version=version,
            healthy=target.healthy,
            connected=target.connected,
        )
        for name, (version, _) in target.reported.items()
        if name not in target.packages
    )
    packages.sort(key=lambda package: package.package)
    return api.GetAgentPackagesReply(
        packages=packages,
        accepts=target.accepts,
        platform=target.machine.platform,
        arch=target.machine.arch,
        desired_hash=target.desired_hash,
        offered_hash=target.offered_hash,
        reported_hash=target.reported_hash,
        held=target.held,
        error_message=target.reported_error,
    )


def attempt_message(attempt: Attempt) -> api.PackageAttempt:
    """Write a try."""
    return api.PackageAttempt(
        id=attempt.attempt_id,
        instance_uid=attempt.uid,
        package=attempt.package,
        version=attempt.version,
        package_hash=attempt.package_hash,
        assignment_id=str(attempt.assignment_id),
        attempt=attempt.number,
        state=attempt.state,
        error_message=attempt.error,
        requested_by=attempt.requested_by,
        created_at=_timestamp(attempt.created_at),
        updated_at=_timestamp(attempt.updated_at),
    )


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
