from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent_state.credential import Credential
from agent_state.credential_store import CredentialStore, candidate
from agent_state.identity_store import IdentityStore
from world.facts import uid_of

if TYPE_CHECKING:
    import asyncpg

NOW = datetime.now(UTC).replace(microsecond=0)
KEY = ("default", uid_of(1))


def made(version: int, state: str = "candidate", *, days: int = 30) -> Credential:
    """Make a credential that ends in so many days."""
    return Credential(
        *KEY[:1],
        f"k{version}",
        KEY[1],
        "bearer",
        state,
        bytes([version]) * 32,
        version,
        NOW - timedelta(days=60),
        NOW + timedelta(days=days),
    )


async def test_what_is_kept_comes_back(pool: asyncpg.Pool) -> None:
    """Every field, and only for its own tenant."""
    store = CredentialStore()
    async with pool.acquire() as connection:
        await store.add(connection, made(1))

        assert await store.get(connection, "default", "k1") == made(1)
        assert await store.get(connection, "acme", "k1") is None


async def test_only_the_living_are_live(pool: asyncpg.Pool) -> None:
    """Newest first; neither ended nor run out."""
    store = CredentialStore()
    async with pool.acquire() as connection:
        for one in (made(1, "current"), made(2), made(3, "revoked"), made(4, days=-1), made(5, "superseded")):
            await store.add(connection, one)

        assert [one.id for one in await store.live(connection, *KEY)] == ["k2", "k1"]


async def test_use_promotes_once_and_ends_what_is_older(pool: asyncpg.Pool) -> None:
    """The same word again, or an old one, changes nothing."""
    store = CredentialStore()
    async with pool.acquire() as connection:
        for one in (made(1, "current"), made(2), made(3), made(4)):
            await store.add(connection, one)

        first = await store.used(connection, [(KEY, "k3"), (KEY, "k1"), (("default", uid_of(2)), "k4")])
        again = await store.used(connection, [(KEY, "k3"), (KEY, "k2")])

        assert first[0] == ["bearer"]
        assert sorted(first[1]) == [("default", "k1"), ("default", "k2")]
        assert again == ([], [])
        states = {one.id: one.state for one in (await store.list(connection, KEY, 10, 0, None))[0]}
        assert states == {"k1": "superseded", "k2": "superseded", "k3": "current", "k4": "candidate"}


async def test_versions_count_up_with_the_identity(pool: asyncpg.Pool) -> None:
    """In whole seconds, which texts are derived from; nobody without an identity has any."""
    store = CredentialStore()
    async with pool.acquire() as connection, connection.transaction():
        with pytest.raises(RuntimeError):
            await store.next_version(connection, *KEY)
        await IdentityStore().found(connection, *KEY, "approved")

        numbered = [await store.next_version(connection, *KEY) for _ in range(2)]

        assert [version for version, _ in numbered] == [1, 2]
        assert numbered[0][1].microsecond == 0
        bare = candidate(KEY, "k9", "jwt", numbered[1], timedelta(days=3))
        assert (bare.version, bare.lifetime, bare.state) == (2, timedelta(days=3), "candidate")


async def test_one_or_all_are_revoked_and_forgotten(pool: asyncpg.Pool) -> None:
    """Those that ended otherwise stay as they ended, unless they are named."""
    store = CredentialStore()
    async with pool.acquire() as connection:
        for one in (made(1, "superseded"), made(2, "current"), made(3)):
            await store.add(connection, one)

        named = await store.revoke(connection, *KEY, "k2", "ann")
        rest = await store.revoke(connection, *KEY, "", "bob")

        assert [(one.id, one.revoked_by) for one in (*named, *rest)] == [("k2", "ann"), ("k3", "bob")]
        assert await store.revoke(connection, *KEY, "k2", "eve") == []
        assert sorted(await store.forget(connection, *KEY)) == ["k1", "k2", "k3"]
