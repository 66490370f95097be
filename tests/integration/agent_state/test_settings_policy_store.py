from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_state.errors import PolicyNotFound, PolicyVersionMismatch
from agent_state.settings_policy import Policy
from agent_state.settings_policy_store import SettingsPolicyStore
from opamp.v1 import opamp_pb2 as opamp
from world.facts import uid_of

if TYPE_CHECKING:
    import asyncpg


def policy(name: str, priority: int = 0, tenant: str = "default", **selector: str) -> Policy:
    """Write a policy that gives metrics to agents with these labels."""
    settings = opamp.ConnectionSettingsOffers()
    settings.own_metrics.destination_endpoint = f"https://{name}/v1/metrics"
    return Policy(tenant, name, settings, selector, priority, author="eve")


async def put(pool: asyncpg.Pool, written: Policy, expected_version: int = 0) -> Policy:
    """Store a policy."""
    async with pool.acquire() as connection, connection.transaction():
        return await SettingsPolicyStore().put(connection, written, expected_version)


async def test_policy_is_read_as_it_was_written(pool: asyncpg.Pool) -> None:
    """With version, author and times."""
    kept = await put(pool, policy("a", 7, env="prod"))

    found = await SettingsPolicyStore().get(pool, "default", "a")
    assert found == kept
    assert (found.version, found.priority, found.selector, found.author) == (1, 7, {"env": "prod"}, "eve")
    assert found.created_at == found.updated_at
    with pytest.raises(PolicyNotFound):
        await SettingsPolicyStore().get(pool, "other", "a")


async def test_every_write_is_a_version(pool: asyncpg.Pool) -> None:
    """Who expects another one than the current is refused, also before there is any."""
    with pytest.raises(PolicyVersionMismatch):
        await put(pool, policy("a"), 1)
    await put(pool, policy("a"))
    assert (await put(pool, policy("a", 5), 1)).version == 2
    with pytest.raises(PolicyVersionMismatch):
        await put(pool, policy("a"), 1)

    assert (await SettingsPolicyStore().get(pool, "default", "a")).priority == 5


async def test_deleting_twice_is_an_error(pool: asyncpg.Pool) -> None:
    """The second caller learns that somebody was faster."""
    await put(pool, policy("a"))
    async with pool.acquire() as connection:
        await SettingsPolicyStore().delete(connection, "default", "a")
        with pytest.raises(PolicyNotFound):
            await SettingsPolicyStore().delete(connection, "default", "a")


async def test_pages_are_by_name(pool: asyncpg.Pool) -> None:
    """Of one tenant, with their number."""
    for name in ("b", "a", "c"):
        await put(pool, policy(name))
    await put(pool, policy("x", tenant="other"))
    store = SettingsPolicyStore()

    first, total = await store.list(pool, "default", 2, 0, None)
    rest, _ = await store.list(pool, "default", 2, 0, "b")

    assert ([one.name for one in first], total, [one.name for one in rest]) == (["a", "b"], 3, ["c"])


async def test_current_policies_are_read_again_when_they_changed(pool: asyncpg.Pool) -> None:
    """In order of precedence; a replica that wrote nothing sees it as well."""
    store = SettingsPolicyStore()
    async with pool.acquire() as connection:
        assert await store.current(connection, "default") == []
        await put(pool, policy("weak"))
        await put(pool, policy("strong", 5))
        first = await store.current(connection, "default")
        assert [one.name for one in first] == ["strong", "weak"]
        assert await store.current(connection, "default") is first

        await store.delete(connection, "default", "strong")
        assert [one.name for one in await store.current(connection, "default")] == ["weak"]


async def test_tenants_are_known_by_what_they_ever_had(pool: asyncpg.Pool) -> None:
    """The generation grows for ever, also when the last policy goes."""
    store = SettingsPolicyStore()
    await put(pool, policy("a"))
    assert await store.tenants(pool) == {"default": (1, True)}

    async with pool.acquire() as connection:
        await store.delete(connection, "default", "a")
        assert await store.generation(connection, "default") == 2
        assert await store.generation(connection, "other") == 0
        assert await store.retries(connection, "default", uid_of(1)) == 0
    assert await store.tenants(pool) == {"default": (2, False)}
