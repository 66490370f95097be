"""Offers asked about on the bus, with package-service whole: real bytes, vetted, offered, fetched by ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts import streams, subjects
from fleet.api.v1 import package_offers_pb2 as api
from fleet.api.v1 import package_service_pb2 as packages
from fleet.events.v1 import facts_pb2
from servicekit.errors import Conflict, Invalid, NotFound, PreconditionFailed
from world import facts as say
from world.eventually import wait_until

from .conftest import TENANT, program
from .offering_ground import Agent

if TYPE_CHECKING:
    from .conftest import Running
    from .offering_ground import Gateway


@pytest.fixture
def overrides() -> dict[str, object]:
    """Look often."""
    return {"offer_interval_seconds": 0.1, "vet_interval_seconds": 0.2}


async def tell(service: Running, *facts: facts_pb2.Fact) -> None:
    """Publish facts as a gateway does."""
    for fact in facts:
        payload = say.batch(fact).SerializeToString()
        subject = subjects.facts(subjects.partition_of(fact.instance_uid))
        await service.bus.js.publish(subject, payload, stream=streams.FACTS.name)


async def assign(service: Running, name: str = "all", **fields: Any) -> api.PackageAssignment:
    """Make an assignment for everybody in prod."""
    draft = api.PackageAssignmentDraft(
        package="collector", selector=api.PackageSelector(match_labels={"env": "prod"}), **fields
    )
    request = api.CreatePackageAssignmentRequest(tenant_id=TENANT, name=name, draft=draft, author="ann")
    return (await service.bus.call(subjects.CREATE_PACKAGE_ASSIGNMENT, request)).assignment


async def packages_of(service: Running, uid: bytes) -> api.GetAgentPackagesReply:
    """Ask where an agent stands."""
    request = api.GetAgentPackagesRequest(tenant_id=TENANT, instance_uid=uid)
    return await service.bus.call(subjects.GET_AGENT_PACKAGES, request)


async def until(service: Running, uid: bytes, state: str) -> api.AgentPackage:
    """Wait until an agent stands so with its package."""
    found: list[api.AgentPackage] = []

    async def there() -> bool:
        found[:] = (await packages_of(service, uid)).packages
        return [package.state for package in found] == [state]

    await wait_until(there, within=60)
    return found[0]


async def test_upload_to_installed(service: Running, gateway: Gateway) -> None:
    """Published, assigned, vetted by itself, offered; fetched with the ticket of the offer alone; told; shown."""
    data = program(5000)
    published = (await service.publish(data)).json()
    assignment = await assign(service)
    agent = Agent(say.uid_of(1))
    await tell(service, *agent.connected())
    content_hash, available = await gateway.list_for(agent.uid, 1)

    file = available.packages["collector"].file
    header = file.headers.headers[0]
    fetched = await service.http.get(file.download_url, headers={header.key: header.value})
    assert (fetched.status_code, fetched.content) == (200, data)
    assert (await service.http.get(file.download_url)).status_code == 401

    await tell(service, agent.delivered(content_hash), agent.tells(available, "Downloading", percent=50))
    assert (await until(service, agent.uid, "downloading")).percent == 50
    await tell(service, agent.tells(available))
    package = await until(service, agent.uid, "installed")
    assert (package.version, package.assignment_name, package.file_id) == ("1.0.0", "all", published["id"])
    listed = await service.bus.call(
        subjects.LIST_ASSIGNMENT_AGENTS, api.ListAssignmentAgentsRequest(tenant_id=TENANT, id=assignment.id)
    )
    assert [one.instance_uid for one in listed.agents] == [agent.uid]
    assert dict(listed.states) == {"installed": 1}
    tries = await service.bus.call(
        subjects.LIST_PACKAGE_ATTEMPTS, api.ListPackageAttemptsRequest(tenant_id=TENANT, instance_uid=agent.uid)
    )
    assert [(one.version, one.state, one.attempt) for one in tries.attempts] == [("1.0.0", "installed", 1)]
    with pytest.raises(Conflict) as refused:
        await service.bus.call(
            subjects.DELETE_PACKAGE, packages.DeletePackageRequest(tenant_id=TENANT, id=published["id"], author="ann")
        )
    assert refused.value.details[0].message == "all offers it to 1 agent"


async def test_failure_and_another_try(service: Running, gateway: Gateway) -> None:
    """Shown with the agent's words; asked for again it is offered again."""
    await service.publish(program(5000))
    await assign(service)
    agent = Agent(say.uid_of(1))
    await tell(service, *agent.connected())
    content_hash, available = await gateway.list_for(agent.uid, 1)
    await tell(service, agent.delivered(content_hash), agent.tells(available, "InstallFailed", "disk full"))
    failed = await until(service, agent.uid, "failed")
    assert (failed.error_message, failed.given_up) == ("disk full", True)
    request = api.RetryAgentPackageRequest(tenant_id=TENANT, instance_uid=agent.uid, package="collector", author="eve")
    assert (await service.bus.call(subjects.RETRY_AGENT_PACKAGE, request)).package.state == "pending"

    async def again() -> bool:
        return [found.all_packages_hash for _, found in gateway.lists_for(agent.uid)].count(
            available.all_packages_hash
        ) >= 2

    await wait_until(again, within=30)


async def test_assignments_are_made_changed_listed_and_removed(service: Running) -> None:
    """With a revision that guards against what others did meanwhile."""
    made = await assign(service)
    assert (made.version, made.channel, made.enabled, made.revision) == ("latest", "stable", True, 1)
    change = api.UpdatePackageAssignmentRequest(
        tenant_id=TENANT,
        id=made.id,
        draft=api.PackageAssignmentDraft(version="latest-1"),
        expected_revision=1,
        author="bob",
    )
    changed = (await service.bus.call(subjects.UPDATE_PACKAGE_ASSIGNMENT, change)).assignment
    assert (changed.version, changed.revision, changed.updated_by) == ("latest-1", 2, "bob")
    with pytest.raises(PreconditionFailed):
        await service.bus.call(subjects.UPDATE_PACKAGE_ASSIGNMENT, change)
    with pytest.raises(Conflict):
        await assign(service)
    request = api.ListPackageAssignmentsRequest(tenant_id=TENANT, package="collector", search="al", enabled=True)
    reply = await service.bus.call(subjects.LIST_PACKAGE_ASSIGNMENTS, request)
    assert ([one.name for one in reply.assignments], reply.page.total) == (["all"], 1)
    got = await service.bus.call(
        subjects.GET_PACKAGE_ASSIGNMENT, api.GetPackageAssignmentRequest(tenant_id=TENANT, id=made.id)
    )
    assert got.assignment == changed
    remove = api.DeletePackageAssignmentRequest(tenant_id=TENANT, id=made.id, author="bob")
    await service.bus.call(subjects.DELETE_PACKAGE_ASSIGNMENT, remove)
    with pytest.raises(NotFound):
        await service.bus.call(subjects.DELETE_PACKAGE_ASSIGNMENT, remove)


async def test_nonsense_is_refused_with_its_field(service: Running) -> None:
    """Each door has its bounds; an agent nobody heard of has nothing."""
    long = api.PackageAssignmentDraft(groups=api.PackageGroups(names=["g"] * 101), package="collector")
    many = api.PackageAssignmentDraft(agents=api.PackageAgents(instance_uids=[bytes(16)] * 10_001), package="collector")
    made = await assign(service)
    for method, request, field in (
        (
            subjects.CREATE_PACKAGE_ASSIGNMENT,
            api.CreatePackageAssignmentRequest(tenant_id=TENANT, name="x", draft=long),
            "groups",
        ),
        (
            subjects.CREATE_PACKAGE_ASSIGNMENT,
            api.CreatePackageAssignmentRequest(tenant_id=TENANT, name="x", draft=many),
            "agents",
        ),
        (
            subjects.LIST_ASSIGNMENT_AGENTS,
            api.ListAssignmentAgentsRequest(tenant_id=TENANT, id=made.id, states=["lost"]),
            "states",
        ),
        (subjects.GET_AGENT_PACKAGES, api.GetAgentPackagesRequest(tenant_id=TENANT, instance_uid=b"x"), "instance_uid"),
        (
            subjects.RETRY_AGENT_PACKAGE,
            api.RetryAgentPackageRequest(tenant_id=TENANT, instance_uid=bytes(16), package="../x"),
            "name",
        ),
        (subjects.LIST_PACKAGE_ATTEMPTS, api.ListPackageAttemptsRequest(tenant_id="No!"), "tenant_id"),
    ):
        with pytest.raises(Invalid) as refused:
            await service.bus.call(method, request)
        assert refused.value.details[0].field == field
    with pytest.raises(NotFound):
        await service.bus.call(
            subjects.GET_PACKAGE_ASSIGNMENT, api.GetPackageAssignmentRequest(tenant_id=TENANT, id="../../x")
        )

    assert await packages_of(service, say.uid_of(99)) == api.GetAgentPackagesReply()
