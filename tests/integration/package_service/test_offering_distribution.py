"""From an assignment to what an agent has: resolved, offered, told of, written down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from package_service.offering.standing import State
from world.facts import uid_of

from .offering_ground import LINUX, Agent, Gateway, Ground


async def test_package_reaches_the_agent_and_is_installed(ground: Ground, gateway: Gateway) -> None:
    """Offered with address and ticket, downloaded, installed; every step is seen, the ledger keeps one try."""
    agent = Agent(uid_of(1))
    file = await ground.publish("1.2.0")
    await ground.assign()
    await ground.hear(*agent.connected())

    content_hash, available = await gateway.list_for(agent.uid, 1)
    package = available.packages["collector"]
    assert package.version == "1.2.0"
    assert package.file.content_hash == file.sha256
    assert package.file.download_url == f"https://files.example/v1/files/{file.file_id}"
    assert package.file.headers.headers[0].value == f"Bearer pft_default_{file.file_id}"
    assert (await ground.standing(agent.uid)).state is State.PENDING

    await ground.hear(agent.delivered(content_hash))
    assert (await ground.standing(agent.uid)).state is State.OFFERED
    await ground.hear(agent.tells(available, "Downloading", percent=40.0))
    standing = await ground.standing(agent.uid)
    assert (standing.state, standing.percent) == (State.DOWNLOADING, 40.0)
    await ground.hear(agent.tells(available, "Installing"))
    assert (await ground.standing(agent.uid)).state is State.INSTALLING
    await ground.hear(agent.tells(available))

    assert (await ground.standing(agent.uid)).state is State.INSTALLED
    assert (await ground.target(agent.uid)).in_step
    assert await ground.ledger(agent.uid) == [("1.2.0", "installed", 1)]
    await ground.look()
    assert len(gateway.lists_for(agent.uid)) == 1


async def test_agents_with_equal_lists_share_one_content(ground: Ground, gateway: Gateway) -> None:
    """One message for all of them, whatever their order; another platform gets a list of its own."""
    await ground.publish("1.0.0")
    await ground.publish("1.0.0", platform="windows")
    await ground.assign()
    agents = [Agent(uid_of(number)) for number in range(20)]
    other = Agent(uid_of(50), {"os.type": "windows", "host.arch": "AMD64", "env": "prod"})

    await ground.hear(*(fact for agent in (*agents, other) for fact in agent.connected()))

    assert sorted(len(offer.targets) for offer in gateway.offers) == [1, 20]
    assert await ground.pool.fetchval("SELECT count(*) FROM package_list") == 2


async def test_newer_version_follows_by_itself(ground: Ground, gateway: Gateway) -> None:
    """Published, wanted, vetted, offered; before it is vetted the former one stays."""
    agent = Agent(uid_of(1))
    await ground.publish("1.9.0")
    await ground.assign()
    await ground.hear(*agent.connected())
    _, available = await gateway.list_for(agent.uid, 1)
    await ground.hear(agent.tells(available))

    newer = await ground.publish("1.10.0", vetted=False)
    await ground.look()
    assert (await ground.standing(agent.uid)).version == "1.9.0"
    assert await ground.pool.fetchval("SELECT wanted_at FROM package_file WHERE file_id = $1", newer.file_id)
    await ground.vet(newer)
    await ground.look()

    assert (await gateway.list_for(agent.uid, 2))[1].packages["collector"].version == "1.10.0"


async def test_what_failed_is_given_up_and_the_rest_goes_on(ground: Ground, gateway: Gateway) -> None:
    """The next list holds the version the agent has; only somebody who asks brings the failed one back."""
    agent = Agent(uid_of(1))
    await ground.publish("1.0.0")
    assignment = await ground.assign(version="1.0.0")
    await ground.hear(*agent.connected())
    _, first = await gateway.list_for(agent.uid, 1)
    await ground.hear(agent.tells(first))
    await ground.publish("2.0.0")
    await ground.assignments.change(
        "default", assignment.assignment_id, lambda terms: replace(terms, version="2.0.0"), author="ann"
    )
    await ground.look()
    content_hash, second = await gateway.list_for(agent.uid, 2)
    await ground.hear(agent.delivered(content_hash), agent.tells(second, "InstallFailed", "disk full"))

    standing = await ground.standing(agent.uid)
    assert (standing.state, standing.error, standing.version) == (State.FAILED, "disk full", "2.0.0")
    _, third = await gateway.list_for(agent.uid, 3)
    assert third == first
    await ground.hear(agent.tells(third))
    assert (await ground.standing(agent.uid)).state is State.FAILED
    assert (await ground.target(agent.uid)).in_step

    await ground.assignments.retry("default", agent.uid, "collector", author="eve")
    await ground.speak()
    content_hash, fourth = await gateway.list_for(agent.uid, 4)
    assert fourth == second
    await ground.hear(agent.delivered(content_hash), agent.tells(fourth))
    assert (await ground.standing(agent.uid)).state is State.INSTALLED
    assert await ground.ledger(agent.uid) == [("2.0.0", "failed", 1), ("2.0.0", "installed", 2)]


async def test_file_that_is_vetted_anew_moves_nobody(ground: Ground, gateway: Gateway) -> None:
    """While it may not be offered the agents' list is held; nothing is sent, nothing is lost."""
    agent = Agent(uid_of(1))
    await ground.publish("1.0.0")
    newest = await ground.publish("1.1.0")
    await ground.assign()
    await ground.hear(*agent.connected())
    _, available = await gateway.list_for(agent.uid, 1)
    await ground.hear(agent.tells(available))

    await ground.vet(newest, vetted=False)
    await ground.look()
    target = await ground.target(agent.uid)
    assert "1.1.0 is being checked" in target.held
    assert target.packages["collector"].state is State.INSTALLED
    await ground.vet(newest)
    await ground.look()

    assert (await ground.target(agent.uid)).held == ""
    assert len(gateway.lists_for(agent.uid)) == 1


async def test_nobody_is_told_to_remove_what_was_never_given(ground: Ground, gateway: Gateway) -> None:
    """The empty list goes to those who were sent another one before, and to nobody else."""
    given, never = Agent(uid_of(1)), Agent(uid_of(2), {**LINUX, "env": "test"})
    await ground.publish("1.0.0")
    assignment = await ground.assign()
    await ground.hear(*given.connected(), *never.connected())
    _, available = await gateway.list_for(given.uid, 1)
    await ground.hear(given.tells(available))
    await ground.assignments.delete("default", assignment.assignment_id)
    await ground.look()

    _, empty = await gateway.list_for(given.uid, 2)
    assert not empty.packages
    assert len(empty.all_packages_hash) == 32
    assert gateway.lists_for(never.uid) == []


async def test_who_may_not_or_cannot_gets_nothing(ground: Ground, gateway: Gateway) -> None:
    """Agents that take no packages, wait for approval, or run on what no file is for."""
    await ground.publish("1.0.0")
    await ground.assign()
    deaf = Agent(uid_of(1), capabilities=1)
    withheld = Agent(uid_of(2), withheld=True)
    strange = Agent(uid_of(3), {**LINUX, "host.arch": "riscv64"})
    await ground.hear(*deaf.connected(), *withheld.connected(), *strange.connected())

    assert gateway.offers == []
    assert (await ground.target(deaf.uid)).packages == {}
    assert (await ground.standing(withheld.uid)).state is State.PENDING
    assert (await ground.standing(strange.uid)).error == "there is no version of collector for linux/unknown"


@pytest.mark.parametrize("change", [{"vetted": False}, {"damaged": True}, {"active": False}])
async def test_list_with_a_file_that_may_not_be_offered_any_more_is_never_sent(
    ground: Ground, gateway: Gateway, change: dict[str, bool]
) -> None:
    """Not to who was away when it was found out, nor to who waits for a repeat; once it may be, it is sent."""
    away, waits = Agent(uid_of(1)), Agent(uid_of(2))
    file = await ground.publish("1.0.0")
    await ground.assign()
    await ground.hear(*away.connected(), away.disconnected(), *waits.connected())
    assert (await ground.target(away.uid)).desired_hash == (await ground.target(waits.uid)).desired_hash != b""
    await gateway.list_for(waits.uid, 1)

    await ground.vet(file, **change)
    for looked in (False, True):
        # Also before anybody has looked at what the change means to whom.
        if looked:
            await ground.look()
        for agent in (away, waits):
            agent.epoch += 1
            await ground.hear(*agent.connected())
            await ground.pool.execute("UPDATE package_target SET retry_at = NULL, due_at = clock_timestamp()")
            await ground.look()
    assert gateway.lists_for(away.uid) == []
    assert len(gateway.lists_for(waits.uid)) == 1
    assert (await ground.target(away.uid)).offered_hash == b""

    await ground.vet(file)
    await ground.look()
    await gateway.list_for(away.uid, 1)
    await gateway.list_for(waits.uid, 2)
