"""Package assignments over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from api_gateway.permissions import Role
from contracts import subjects
from contracts.ids import AgentUid, format_uid
from fleet.api.v1 import package_offers_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply
from servicekit.errors import Conflict, NotFound, PreconditionFailed

ROOT = "/api/v1/package-assignments"
UID = AgentUid(bytes(range(16)))
OF_AGENT = f"/api/v1/agents/{format_uid(UID)}/packages"
ASSIGNMENT = messages.PackageAssignment(id="a1", name="edge", package="collector", revision=3, instance_uids=[UID])
PACKAGE = messages.AgentPackage(instance_uid=UID, package="collector", state="failed", error_message="no room")


async def test_assignments_are_made_read_and_listed(api: Any, stand: Any, conforms: Any) -> None:
    """201 with its address; agents by id; the next page is pointed at."""
    stand.answer(subjects.CREATE_PACKAGE_ASSIGNMENT, messages.CreatePackageAssignmentReply(assignment=ASSIGNMENT))
    stand.answer(subjects.GET_PACKAGE_ASSIGNMENT, messages.GetPackageAssignmentReply(assignment=ASSIGNMENT))
    page = PageReply(total=2, next_cursor="c")
    stand.answer(
        subjects.LIST_PACKAGE_ASSIGNMENTS, messages.ListPackageAssignmentsReply(assignments=[ASSIGNMENT], page=page)
    )
    operator, viewer = await api.as_role(Role.OPERATOR), await api.as_role(Role.VIEWER)
    draft = {"name": "edge", "package": "collector", "agents": [format_uid(UID)], "selector": {"env": "prod"}}

    made = await api.call("POST", ROOT, token=operator, json=draft)
    read = await api.call("GET", f"{ROOT}/a1", token=viewer)
    listed = await api.call("GET", f"{ROOT}?package=collector&enabled=true&limit=1", token=viewer)

    conforms(made, ("POST", ROOT))
    conforms(read, ("GET", ROOT + "/{id}"))
    conforms(listed, ("GET", ROOT))
    assert (made.status, made.headers["Location"], made.headers["ETag"]) == (201, f"{ROOT}/a1", '"3"')
    asked = stand.last(subjects.CREATE_PACKAGE_ASSIGNMENT)
    assert (asked.author, list(asked.draft.agents.instance_uids)) == ("the-operator", [UID])
    assert not asked.draft.HasField("groups")
    assert stand.last(subjects.LIST_PACKAGE_ASSIGNMENTS).enabled
    assert 'rel="next"' in listed.headers["Link"]


async def test_agent_ids_must_be_some(api: Any) -> None:
    """What is none is named by its place."""
    draft = {"name": "edge", "package": "collector", "agents": [format_uid(UID), "edge-7"]}

    reply = await api.call("POST", ROOT, token=await api.as_role(Role.OPERATOR), json=draft)

    assert reply.status == 400, reply.text
    assert reply.body["details"][0]["field"] == "agents.1"


async def test_changes_may_name_the_revision_they_are_of(api: Any, stand: Any, conforms: Any) -> None:
    """Whoever comes late gets 412 with the current one; without If-Match the last writer wins."""
    stand.answer(subjects.GET_PACKAGE_ASSIGNMENT, messages.GetPackageAssignmentReply(assignment=ASSIGNMENT))
    stand.answer(subjects.UPDATE_PACKAGE_ASSIGNMENT, messages.UpdatePackageAssignmentReply(assignment=ASSIGNMENT))
    operator = await api.as_role(Role.OPERATOR)
    path, change = f"{ROOT}/a1", {"version": "1.0.0"}

    free = await api.call("PATCH", path, token=operator, json=change)
    assert stand.last(subjects.UPDATE_PACKAGE_ASSIGNMENT).expected_revision == 0
    right = await api.call("PATCH", path, token=operator, json=change, headers={"If-Match": '"3"'})
    assert stand.last(subjects.UPDATE_PACKAGE_ASSIGNMENT).expected_revision == 3
    late = await api.call("PATCH", path, token=operator, json=change, headers={"If-Match": '"2"'})

    def faster(_request: Any) -> Any:
        public = "another revision is current"
        raise PreconditionFailed(public)

    stand.answer(subjects.UPDATE_PACKAGE_ASSIGNMENT, faster)
    stand.answer(subjects.DELETE_PACKAGE_ASSIGNMENT, faster)
    raced = await api.call("PATCH", path, token=operator, json=change, headers={"If-Match": '"3"'})
    kept = await api.call("DELETE", path, token=operator, headers={"If-Match": '"3"'})

    for reply in (free, right):
        conforms(reply, ("PATCH", ROOT + "/{id}"))
    for reply in (late, raced, kept):
        assert (reply.status, reply.body["code"], reply.body["current_version"]) == (412, "version_changed", 3)


async def test_deleting(api: Any, stand: Any) -> None:
    """Said by whom; refused while something stands in the way."""
    operator = await api.as_role(Role.OPERATOR)

    gone = await api.call("DELETE", f"{ROOT}/a1", token=operator)
    assert gone.body == {"message": "package assignment deleted"}
    assert stand.last(subjects.DELETE_PACKAGE_ASSIGNMENT).author == "the-operator"

    def refuse(_request: Any) -> Any:
        public = "a campaign moves its agents"
        raise Conflict(public)

    stand.answer(subjects.DELETE_PACKAGE_ASSIGNMENT, refuse)
    assert (await api.call("DELETE", f"{ROOT}/a1", token=operator)).status == 409


async def test_who_should_have_it_and_who_has(api: Any, stand: Any, conforms: Any) -> None:
    """Agents of an assignment, packages of an agent, tries; filters go along."""
    stand.answer(
        subjects.LIST_ASSIGNMENT_AGENTS,
        messages.ListAssignmentAgentsReply(agents=[PACKAGE], states={"failed": 1}, page=PageReply(total=1)),
    )
    stand.answer(subjects.GET_AGENT_PACKAGES, messages.GetAgentPackagesReply(packages=[PACKAGE], accepts=True))
    attempt = messages.PackageAttempt(id=1, instance_uid=UID, package="collector", state="failed")
    stand.answer(
        subjects.LIST_PACKAGE_ATTEMPTS,
        messages.ListPackageAttemptsReply(attempts=[attempt], page=PageReply(total=1)),
    )
    viewer = await api.as_role(Role.VIEWER)

    agents = await api.call("GET", f"{ROOT}/a1/agents?state=failed&state=timed_out", token=viewer)
    packages = await api.call("GET", OF_AGENT, token=viewer)
    tries = await api.call("GET", f"/api/v1/package-attempts?agent_id={format_uid(UID)}&state=failed", token=viewer)

    conforms(agents, ("GET", ROOT + "/{id}/agents"))
    conforms(packages, ("GET", "/api/v1/agents/{id}/packages"))
    conforms(tries, ("GET", "/api/v1/package-attempts"))
    assert list(stand.last(subjects.LIST_ASSIGNMENT_AGENTS).states) == ["failed", "timed_out"]
    assert stand.last(subjects.LIST_PACKAGE_ATTEMPTS).instance_uid == UID
    assert packages.body["packages"][0]["error_message"] == "no room"


async def test_another_try(api: Any, stand: Any, conforms: Any) -> None:
    """For operators; nothing to try again, and agents nobody knows, are told apart."""
    stand.answer(subjects.RETRY_AGENT_PACKAGE, messages.RetryAgentPackageReply(package=PACKAGE))
    operator = await api.as_role(Role.OPERATOR)

    reply = await api.call("POST", f"{OF_AGENT}/collector/retry", token=operator)
    conforms(reply, ("POST", "/api/v1/agents/{id}/packages/{name}/retry"))
    asked = stand.last(subjects.RETRY_AGENT_PACKAGE)
    assert (asked.instance_uid, asked.package, asked.author) == (UID, "collector", "the-operator")
    viewer = await api.as_role(Role.VIEWER)
    assert (await api.call("POST", f"{OF_AGENT}/collector/retry", token=viewer)).status == 403


@pytest.mark.parametrize(("error", "status"), [(NotFound, 404), (Conflict, 409)])
async def test_nothing_to_try_again(api: Any, stand: Any, error: type[Exception], status: int) -> None:
    """An agent that should not have it is not found; one on which nothing failed is a conflict."""

    def refuse(_request: Any) -> Any:
        raise error("no")

    stand.answer(subjects.RETRY_AGENT_PACKAGE, refuse)

    reply = await api.call("POST", f"{OF_AGENT}/collector/retry", token=await api.as_role(Role.OPERATOR))

    assert reply.status == status
