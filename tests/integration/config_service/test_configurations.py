from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from contracts import subjects
from fleet.api.v1 import config_service_pb2 as api
from fleet.api.v1 import page_pb2
from servicekit.errors import Conflict, Invalid, NotFound, PreconditionFailed
from world.facts import uid_of

from .conftest import TENANT, FakeAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .conftest import Running


@pytest.fixture
def overrides() -> dict[str, object]:
    """Make no repeats that would blur the count."""
    return {"redo_first_seconds": 30.0}


async def history(service: Running, name: str) -> Sequence[api.Configuration]:
    """List versions, newest first."""
    request = api.ListVersionsRequest(tenant_id=TENANT, name=name, page=page_pb2.PageRequest(limit=1000))
    return (await service.bus.call(subjects.LIST_VERSIONS, request)).versions


async def roll_back(service: Running, name: str, version: int, expected_version: int = 0) -> api.Configuration:
    """Roll a configuration back."""
    request = api.RollbackConfigurationRequest(
        tenant_id=TENANT, name=name, version=version, expected_version=expected_version, author="carol"
    )
    return (await service.bus.call(subjects.ROLLBACK_CONFIGURATION, request)).configuration


async def delete(service: Running, name: str, expected_version: int = 0) -> None:
    """Delete a configuration."""
    request = api.DeleteConfigurationRequest(
        tenant_id=TENANT, name=name, expected_version=expected_version, author="dan"
    )
    await service.bus.call(subjects.DELETE_CONFIGURATION, request)


async def get(service: Running, name: str) -> api.Configuration:
    """Get the current version."""
    request = api.GetConfigurationRequest(tenant_id=TENANT, name=name)
    return (await service.bus.call(subjects.GET_CONFIGURATION, request)).configuration


async def test_create_is_read_back_whole(service: Running) -> None:
    """Every field a person writes comes back, and what the platform adds beside it."""
    draft = api.ConfigurationDraft(
        display_name="Shown",
        description="Told",
        content_type="json",
        raw_config='{"a": 1}',
        selector=api.Selector(match_labels={"env": "prod"}),
        priority=-3,
        platform=api.Platform(sources=[api.Component(name="n", type="t", parameters_json='{"x":[1]}')]),
    )
    request = api.CreateConfigurationRequest(tenant_id=TENANT, name="a", draft=draft, author="ann", comment="first")

    made = (await service.bus.call(subjects.CREATE_CONFIGURATION, request)).configuration

    assert made == await get(service, "a")
    assert (made.version, made.author, made.comment, made.rolled_back_to) == (1, "ann", "first", 0)
    assert (made.display_name, made.content_type, made.raw_config, made.priority) == ("Shown", "json", '{"a": 1}', -3)
    assert dict(made.selector) == {"env": "prod"}
    assert made.platform == draft.platform
    assert not made.HasField("last_applied_at")
    assert made.created_at == made.updated_at


async def test_what_cannot_be_used_is_told_with_its_place(service: Running) -> None:
    """Name, type and content; a fault of the content carries line and column."""
    with pytest.raises(Invalid) as refused:
        await service.create("b", "a: 1\nb: [\n")
    assert (refused.value.details[0].field, refused.value.details[0].line) == ("raw_config", 3)

    with pytest.raises(Invalid):
        await service.create("no/slash", "a: 1")
    with pytest.raises(Invalid):
        await service.bus.call(subjects.LIST_CONFIGURATIONS, api.ListConfigurationsRequest(tenant_id="Not A Tenant"))
    with pytest.raises(NotFound):
        await get(service, "b")


async def test_second_of_a_name_is_a_conflict(service: Running) -> None:
    """Never an overwrite, never a database text."""
    await service.create("a", "a: 1")

    with pytest.raises(Conflict) as refused:
        await service.create("a", "a: 2")

    assert refused.value.stable_code == "configuration_exists"
    assert (await get(service, "a")).raw_config == "a: 1"


@pytest.mark.parametrize(
    "fields",
    [
        {"display_name": "x"},
        {"description": "x"},
        {"content_type": "json", "raw_config": "{}"},
        {"raw_config": "a: 2"},
        {"selector": api.Selector(match_labels={"a": "b"})},
        {"priority": 4},
        {"platform": api.Platform(sources=[api.Component(name="x")])},
    ],
)
async def test_every_edit_makes_a_version_with_author_and_comment(service: Running, fields: dict[str, Any]) -> None:
    """The old version stays in history, the current one is in it too; other fields are untouched."""
    first = await service.create("a", "a: 1", {"env": "prod"})

    reply = await service.update("a", **fields)

    assert reply.changed
    assert (reply.configuration.version, reply.configuration.author, reply.configuration.comment) == (
        2,
        "bob",
        "because",
    )
    assert list(await history(service, "a")) == [reply.configuration, first]


async def test_edit_that_changes_nothing_makes_no_version(service: Running) -> None:
    """The same text again is the same version."""
    await service.create("a", "a: 1", {"env": "prod"})

    reply = await service.update("a", raw_config="a: 1", selector=api.Selector(match_labels={"env": "prod"}))

    assert not reply.changed
    assert reply.configuration.version == 1


async def test_expected_version_is_held(service: Running) -> None:
    """Whoever read an older version is told the current one; the right one passes."""
    await service.create("a", "a: 1")
    await service.update("a", raw_config="a: 2", expected_version=1)

    with pytest.raises(PreconditionFailed) as refused:
        await service.update("a", raw_config="a: 3", expected_version=1)
    assert refused.value.details[0].message == "2"
    with pytest.raises(PreconditionFailed):
        await roll_back(service, "a", 1, expected_version=1)
    with pytest.raises(PreconditionFailed):
        await delete(service, "a", expected_version=1)

    await delete(service, "a", expected_version=2)


async def test_fifty_parallel_edits_make_fifty_versions(service: Running) -> None:
    """No lost update, no error, no gap."""
    await service.create("a", "a: 0")

    replies = await asyncio.gather(*(service.update("a", raw_config=f"a: {number}") for number in range(1, 51)))

    assert sorted(reply.configuration.version for reply in replies) == list(range(2, 52))
    assert [version.version for version in await history(service, "a")] == list(range(51, 0, -1))


async def test_parallel_edits_of_one_version_have_one_winner(service: Running) -> None:
    """Optimistic concurrency: all others are told."""
    await service.create("a", "a: 0")

    replies = await asyncio.gather(
        *(service.update("a", raw_config=f"a: {number}", expected_version=1) for number in range(1, 11)),
        return_exceptions=True,
    )

    assert sum(isinstance(reply, PreconditionFailed) for reply in replies) == 9
    assert (await get(service, "a")).version == 2


async def test_rollback_is_a_new_version(service: Running) -> None:
    """v1, v2, back to 1: v3 equals v1, says so, and history stands."""
    first = await service.create("a", "a: 1", {"env": "prod"})
    await service.update("a", raw_config="a: 2", priority=5)

    third = await roll_back(service, "a", 1)

    assert (third.version, third.rolled_back_to, third.author, third.comment) == (
        3,
        1,
        "carol",
        "rollback to version 1",
    )
    assert (third.raw_config, third.priority, third.config_hash) == ("a: 1", 0, first.config_hash)
    assert [version.version for version in await history(service, "a")] == [3, 2, 1]


async def test_rollback_to_what_is_current_changes_nothing(service: Running) -> None:
    """It is so already: no version, the current one comes back."""
    await service.create("a", "a: 1")

    assert (await roll_back(service, "a", 1)).version == 1


async def test_what_is_not_there_is_not_found(service: Running) -> None:
    """Configurations and versions alike, for every question."""
    await service.create("a", "a: 1")

    for question in (
        get(service, "x"),
        history(service, "x"),
        roll_back(service, "x", 1),
        roll_back(service, "a", 2),
        delete(service, "x"),
        service.update("x", raw_config="a: 1"),
        service.push("x"),
        service.bus.call(subjects.GET_VERSION, api.GetVersionRequest(tenant_id=TENANT, name="a", version=2)),
        service.bus.call(subjects.GET_VERSION, api.GetVersionRequest(tenant_id=TENANT, name="x", version=1)),
        service.bus.call(
            subjects.GET_CONFIGURATION_STATUS, api.GetConfigurationStatusRequest(tenant_id=TENANT, name="x")
        ),
    ):
        with pytest.raises(NotFound):
            await question


async def test_one_version_can_be_read(service: Running) -> None:
    """The current one and older ones."""
    await service.create("a", "a: 1")
    await service.update("a", raw_config="a: 2")

    for version in (1, 2):
        reply = await service.bus.call(
            subjects.GET_VERSION, api.GetVersionRequest(tenant_id=TENANT, name="a", version=version)
        )
        assert reply.configuration.raw_config == f"a: {version}"


async def test_deleted_name_can_be_used_again(service: Running) -> None:
    """Versions continue after the deleted one's, so no number ever means two documents."""
    await service.create("a", "a: 1")
    await service.update("a", raw_config="a: 2")
    await delete(service, "a")
    with pytest.raises(NotFound):
        await get(service, "a")

    again = await service.create("a", "a: 3")

    assert again.version == 3


async def test_selectors_that_can_meet_need_different_priorities(service: Running) -> None:
    """A tie is refused when written, naming the rival; contradicting labels are no tie."""
    await service.create("prod", "a: 1", {"env": "prod"})
    await service.create("staging", "a: 1", {"env": "staging"})

    with pytest.raises(Conflict, match="'prod'") as refused:
        await service.create("zone", "a: 1", {"zone": "a", "env": "prod"})
    assert refused.value.stable_code == "selector_conflict"
    with pytest.raises(Conflict, match="'prod'"):
        await service.update("staging", selector=api.Selector(match_labels={"zone": "b"}))

    await service.create("zone", "a: 1", {"zone": "a", "env": "prod"}, priority=1)
    with pytest.raises(Conflict, match="'zone'"):
        await service.update("prod", priority=1)


async def test_dry_run_checks_and_stores_nothing(service: Running) -> None:
    """The answer is what would be; the world stays as it is."""
    would = await service.create("a", "a: 1", {"env": "prod"}, dry_run=True)
    assert (would.version, would.raw_config) == (1, "a: 1")
    with pytest.raises(NotFound):
        await get(service, "a")

    await service.create("a", "a: 1")
    request = api.UpdateConfigurationRequest(
        tenant_id=TENANT, name="a", draft=api.ConfigurationDraft(raw_config="a: 2"), dry_run=True
    )
    assert (await service.bus.call(subjects.UPDATE_CONFIGURATION, request)).configuration.version == 2
    assert (await get(service, "a")).version == 1
    with pytest.raises(Invalid):
        await service.create("b", "a: [", dry_run=True)


async def test_change_reaches_agents_at_once(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """Saving is enough: who matches gets it, whatever the edit was; who does not is left alone."""
    prod, other = FakeAgent(uid_of(1), {"env": "prod"}), FakeAgent(uid_of(2), {"env": "test"})
    await service.say(*prod.connected(), *other.connected())
    await eventually(lambda: knows(service, other.uid))

    made = await service.create("a", "a: 1", {"env": "prod"})
    await eventually(lambda: service.gateway.offered_to(prod.uid) == [made.config_hash])
    changed = (await service.update("a", raw_config="a: 2")).configuration
    await eventually(lambda: changed.config_hash in service.gateway.offered_to(prod.uid))
    await service.update("a", selector=api.Selector(match_labels={"env": "test"}))
    await eventually(lambda: changed.config_hash in service.gateway.offered_to(other.uid))

    first = await service.agent(prod.uid)
    assert first is not None
    assert (first.state, first.configuration_name, first.reason) == ("none", "", "keep_last")
    (newest, oldest) = await service.attempts(prod.uid)
    assert (newest.status, oldest.status) == ("superseded", "superseded")


async def knows(service: Running, uid: bytes) -> bool:
    """Say whether the agent was heard of."""
    return await service.agent(uid) is not None


async def test_deleting_matches_agents_again(service: Running, eventually: Callable[..., Awaitable[object]]) -> None:
    """The next in priority takes over; when none is left nothing is sent."""
    await service.create("low", "a: 1", {"env": "prod"})
    await service.create("high", "a: 2", {"env": "prod"}, priority=1)
    agent = FakeAgent(uid_of(1), {"env": "prod"})
    await service.say(*agent.connected())
    await eventually(lambda: runs(service, agent.uid, "high"))

    await delete(service, "high")
    assert await runs(service, agent.uid, "low")
    await delete(service, "low")

    explained = await service.agent(agent.uid)
    assert explained is not None
    assert (explained.state, explained.reason, list(explained.candidates)) == ("none", "keep_last", [])
    assert all(offer.content_hash for offer in service.gateway.offers)


async def runs(service: Running, uid: bytes, name: str) -> bool:
    """Say whether the agent should run that configuration."""
    agent = await service.agent(uid)
    return agent is not None and agent.configuration_name == name
