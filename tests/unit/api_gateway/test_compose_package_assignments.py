"""Package assignments, and where agents stand, as the API shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose import package_assignments as compose
from api_gateway.models import package_assignments as views
from contracts.ids import AgentUid, format_uid
from fleet.api.v1 import package_offers_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply

Conforms = Callable[[Any, Any], None]
UID = AgentUid(bytes(range(16)))
ASSIGNMENT = messages.PackageAssignment(
    id="a1",
    name="edge",
    package="collector",
    channel="stable",
    version="latest-1",
    selector={"env": "prod"},
    groups=["canary"],
    instance_uids=[UID],
    enabled=True,
    revision=3,
    created_at=Timestamp(seconds=1),
    states={"installed": 2},
)
PACKAGE = messages.AgentPackage(instance_uid=UID, package="collector", state="failed", error_message="no room")


def test_assignment_names_its_agents_as_people_do(conforms: Conforms) -> None:
    """Ids as text, counts by state, times or null."""
    view = compose.assignment_view(ASSIGNMENT)

    conforms(views.PackageAssignment, view)
    assert (view["agents"], view["states"]) == ([format_uid(UID)], {"installed": 2})
    assert (view["updated_at"], view["revision"]) == (None, 3)


def test_pages_point_at_the_next(conforms: Conforms) -> None:
    """Empty cursors are null."""
    page = PageReply(total=3, next_cursor="c")
    assignments = compose.assignment_page_view(
        messages.ListPackageAssignmentsReply(assignments=[ASSIGNMENT], page=page), limit=1, offset=0
    )
    agents = compose.assigned_agent_page_view(
        messages.ListAssignmentAgentsReply(agents=[PACKAGE], states={"failed": 1}, page=PageReply(total=1)),
        limit=1,
        offset=0,
    )
    attempt = messages.PackageAttempt(id=7, instance_uid=UID, package="collector", state="failed", attempt=1)
    attempts = compose.attempt_page_view(
        messages.ListPackageAttemptsReply(attempts=[attempt], page=page), limit=1, offset=0
    )

    conforms(views.PackageAssignmentPage, assignments)
    conforms(views.AssignedAgentPage, agents)
    conforms(views.PackageAttemptPage, attempts)
    assert (assignments["next_cursor"], agents["next_cursor"]) == ("c", None)
    assert agents["states"] == {"failed": 1}
    assert attempts["attempts"][0]["assignment_id"] is None


def test_what_nobody_said_is_null(conforms: Conforms) -> None:
    """Neither healthy nor unhealthy, no file, no assignment; hashes are hexadecimal digits."""
    silent = compose.agent_package_view(PACKAGE)
    told = compose.agent_package_view(
        messages.AgentPackage(instance_uid=UID, healthy=False, file_id="f1", package_hash=b"\xff", assignment_id="a1")
    )

    conforms(views.AgentPackage, silent)
    assert (silent["healthy"], silent["package_id"], silent["assignment_id"]) == (None, None, None)
    assert (told["healthy"], told["package_id"], told["package_hash"]) == (False, "f1", "ff")


def test_packages_of_an_agent(conforms: Conforms) -> None:
    """Whether it takes packages, on what it runs, what it should have and has."""
    reply = messages.GetAgentPackagesReply(
        packages=[PACKAGE], accepts=True, platform="linux", desired_hash=b"\x01", held="no public address"
    )

    view = compose.agent_packages_view(UID, reply)

    conforms(views.AgentPackages, view)
    assert (view["agent_id"], view["desired_hash"], view["held"]) == (format_uid(UID), "01", "no public address")


def test_draft_tells_left_out_from_empty() -> None:
    """An empty selector is a wish, one left out is none."""
    empty = compose.draft_message(views.AssignmentChange(selector={}, groups=()), [])
    absent = compose.draft_message(views.AssignmentChange(priority=0, enabled=False), None)

    assert [empty.HasField(name) for name in ("selector", "groups", "agents")] == [True] * 3
    assert [absent.HasField(name) for name in ("selector", "groups", "agents", "version")] == [False] * 4
    assert (absent.HasField("priority"), absent.HasField("enabled"), absent.enabled) == (True, True, False)


def test_draft_carries_what_was_given() -> None:
    """Labels, groups and ids."""
    change = views.AssignmentChange(selector={"env": "prod"}, groups=("canary",), version="1.0.0", channel="beta")

    draft = compose.draft_message(change, [UID])

    assert dict(draft.selector.match_labels) == {"env": "prod"}
    assert (list(draft.groups.names), list(draft.agents.instance_uids)) == (["canary"], [UID])
    assert (draft.version, draft.channel) == ("1.0.0", "beta")
