"""Facts in: whatever comes, however late, however often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from package_service.offering.consumer import MAX_PACKAGES
from package_service.offering.standing import State
from world import facts as say

from .offering_ground import LINUX, TENANT, Agent

if TYPE_CHECKING:
    from .offering_ground import Gateway, Ground


async def test_agent_is_known_as_it_says(ground: Ground) -> None:
    """Where it is, what it runs on, what it takes, who stamped it, how it fares."""
    agent = Agent(say.uid_of(1), group="web")
    await ground.hear(*agent.connected(), agent.health("no disk"))

    target = await ground.target(agent.uid)
    assert (target.connected, target.gateway_id, target.epoch) == (True, say.GATEWAY, 1)
    assert tuple(target.machine) == ("linux", "amd64")
    assert (target.accepts, target.reports, target.group, target.healthy) == (True, True, "web", False)
    assert target.labels["env"] == "prod"
    await ground.hear(agent.disconnected())
    assert not (await ground.target(agent.uid)).connected


async def test_repeated_and_late_facts_change_nothing(ground: Ground) -> None:
    """A batch that comes again, and words of a connection long gone."""
    agent = Agent(say.uid_of(1), epoch=5)
    facts = [*agent.connected(), agent.health()]
    await ground.hear(*facts)
    before = await ground.target(agent.uid)

    await ground.hear(*facts)
    await ground.hear(say.disconnected(agent.uid, 4, 9), say.connected(agent.uid, 3))

    assert await ground.target(agent.uid) == before


async def test_change_of_labels_changes_the_list_at_once(ground: Ground, gateway: Gateway) -> None:
    """In the transaction of the fact, without waiting for anybody."""
    agent = Agent(say.uid_of(1), {**LINUX, "env": "test"})
    await ground.publish("1.0.0")
    await ground.assign()
    await ground.hear(*agent.connected())
    assert (await ground.target(agent.uid)).packages == {}

    # This description brings other capabilities as well: without the one for packages.
    await ground.hear(say.described(agent.uid, 1, 50, {"service.name": "c"}, LINUX))
    assert (await ground.target(agent.uid)).packages == {}
    agent.epoch = 2
    came, _ = agent.connected()
    await ground.hear(came)

    assert (await ground.standing(agent.uid)).version == "1.0.0"
    await gateway.list_for(agent.uid, 1)


async def test_group_is_what_enrolment_stamps(ground: Ground) -> None:
    """An agent that only says so does not belong to it; a list and a group mean agents as well as labels do."""
    await ground.publish("1.0.0")
    stamped, pretender, listed = Agent(say.uid_of(1), group="web"), Agent(say.uid_of(2)), Agent(say.uid_of(3))
    pretender.labels = {**LINUX, "group": "web"}
    await ground.assign("web", selector={}, groups=("web",))
    await ground.assign("one", selector={}, agents=(listed.uid,))
    await ground.hear(*stamped.connected(), *pretender.connected(), *listed.connected())

    assert [bool((await ground.target(agent.uid)).packages) for agent in (stamped, pretender, listed)] == [
        True,
        False,
        True,
    ]


async def test_nonsense_is_bounded_and_stored(ground: Ground) -> None:
    """Thousands of packages, NUL characters, hashes of any length: what should be there is seen first."""
    agent = Agent(say.uid_of(1))
    await ground.publish("1.0.0", name="zebra")
    await ground.assign(package="zebra")
    await ground.hear(*agent.connected())
    statuses = opamp.PackageStatuses(error_message="x\x00" * 9000, server_provided_all_packages_hash=b"h" * 500)
    for number in range(MAX_PACKAGES * 2):
        name = f"p\x00{number}"
        statuses.packages[name].CopyFrom(
            opamp.PackageStatus(name=name, agent_has_version="1\x00" * 500, agent_has_hash=b"h" * 999)
        )
    statuses.packages["zebra"].CopyFrom(opamp.PackageStatus(name="zebra", agent_has_version="0.9.0"))
    await ground.hear(agent.says(statuses))

    target = await ground.target(agent.uid)
    assert len(target.reported) == MAX_PACKAGES
    assert target.reported["zebra"] == ("0.9.0", "")
    assert len(target.reported_error) == 4096
    assert target.packages["zebra"].state is State.PENDING


async def test_facts_of_no_agent_are_left_out(ground: Ground) -> None:
    """A uid of another length, a tenant that cannot be; the rest of the batch counts."""
    agent = Agent(say.uid_of(1))
    await ground.hear(
        say.connected(b"short", 1),
        say.connected(say.uid_of(2), 1, tenant="Not A Tenant"),
        facts_pb2.Fact(tenant_id=TENANT, instance_uid=say.uid_of(3), epoch=1, sequence=1),
        *agent.connected(),
    )

    assert await ground.pool.fetchval("SELECT count(*) FROM package_target") == 1
