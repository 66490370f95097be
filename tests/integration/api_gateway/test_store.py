"""Users and sessions in a real database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib import resources
from typing import Any

import asyncpg
import pytest

from api_gateway.account import Account, AccountChange, Origin
from api_gateway.errors import RefreshTokenReused, TokenRefused, UnknownUser, UserExists
from api_gateway.permissions import Role
from api_gateway.store import Sessions, Users
from api_gateway.tokens import RefreshSecret, new_refresh_secret
from servicekit.migrate import migrate
from servicekit.postgres import connect_pool

ORIGIN = Origin("192.0.2.1", "x" * 1000)


@pytest.fixture
async def pool(postgres: Any) -> AsyncIterator[asyncpg.Pool]:
    """Give a pool on migrated tables."""
    url = postgres.url_for("api-gateway")
    await migrate(url, "api_gateway")
    assert await migrate(url, "api_gateway") == []
    pool = await connect_pool(url, service="test")
    yield pool
    await pool.close()


async def make(pool: asyncpg.Pool, name: str = "joe", role: Role = Role.VIEWER) -> Account:
    """Make an account."""
    return await Users(pool).create("default", name, f"{name}@x", "hash", role)


async def test_an_account_is_found_by_name_and_id_in_its_tenant_only(pool: asyncpg.Pool) -> None:
    """Case does not matter for names; another tenant knows nobody."""
    users, account = Users(pool), await make(pool)

    found = await users.by_name("default", "JOE")

    assert found is not None
    assert found.account == account
    assert (await users.get("default", account.user_id)).password_hash == "hash"
    assert await users.by_name("other", "joe") is None
    with pytest.raises(UnknownUser):
        await users.get("other", account.user_id)
    with pytest.raises(UnknownUser):
        await users.change("default", str(uuid.uuid4()), AccountChange(email="a@b"))


async def test_an_address_is_taken_once_but_many_may_have_none(pool: asyncpg.Pool) -> None:
    """E-mail is optional for accounts administrators make."""
    users = Users(pool)
    first = await make(pool)
    second = await users.create("default", "amy", "", "hash", Role.VIEWER)
    await users.create("default", "bob", "", "hash", Role.VIEWER)

    with pytest.raises(UserExists) as caught:
        await users.change("default", second.user_id, AccountChange(email=first.email.upper()))
    assert caught.value.details[0].field == "email"


async def test_expired_tokens_are_refused_and_then_forgotten(pool: asyncpg.Pool) -> None:
    """By the database's clock."""
    account = await make(pool)
    sessions = Sessions(pool, lifetime=timedelta(seconds=-1))
    secret, family = new_refresh_secret("default"), str(uuid.uuid4())
    await sessions.open(account, family, secret, ORIGIN)

    with pytest.raises(TokenRefused):
        await sessions.rotate(secret, new_refresh_secret("default"), ORIGIN)
    await sessions.forget_expired()

    assert await pool.fetchval("SELECT count(*) FROM refresh_session") == 0


async def test_reuse_is_remembered_although_it_raises(pool: asyncpg.Pool) -> None:
    """The revocation commits; a rolled-back one would be none."""
    account = await make(pool)
    sessions = Sessions(pool, lifetime=timedelta(days=1))
    first, second, third = (new_refresh_secret("default") for _ in range(3))
    family = str(uuid.uuid4())
    await sessions.open(account, family, first, ORIGIN)
    await sessions.rotate(first, second, ORIGIN)
    assert await sessions.standing("default", account.user_id, family) is not None

    with pytest.raises(RefreshTokenReused):
        await sessions.rotate(first, third, ORIGIN)

    assert await sessions.standing("default", account.user_id, family) is None
    with pytest.raises(TokenRefused):
        await sessions.rotate(second, third, ORIGIN)
    assert len(await pool.fetchval("SELECT max(user_agent) FROM refresh_session")) == 256


async def test_two_admins_cannot_remove_each_other_at_once(pool: asyncpg.Pool) -> None:
    """However often they try, somebody stays."""
    users = Users(pool)
    for number in range(5):
        pair = [await make(pool, f"a{number}-{side}", Role.ADMIN) for side in "lr"]
        for stale in await pool.fetch("SELECT user_id FROM role_binding WHERE role = 'admin'"):
            if str(stale["user_id"]) not in {account.user_id for account in pair}:
                await users.change("default", str(stale["user_id"]), AccountChange(role=Role.VIEWER))
        await asyncio.gather(
            *(users.change("default", account.user_id, AccountChange(role=Role.VIEWER)) for account in pair),
            return_exceptions=True,
        )
        assert await pool.fetchval("SELECT count(*) FROM role_binding WHERE role = 'admin'") == 1


RACES = 60
"""Tries of a race; unguarded, one in a few goes wrong."""


async def ended(sessions: Sessions, account: Account, family: str, *secrets: RefreshSecret) -> bool:
    """Say whether nothing of a session works: neither its access tokens nor any refresh token."""
    if await sessions.standing("default", account.user_id, family) is not None:
        return False
    for secret in secrets:
        try:
            await sessions.rotate(secret, new_refresh_secret("default"), ORIGIN)
        except TokenRefused:
            continue
        return False
    return True


async def test_reuse_ends_the_session_also_while_it_is_refreshed(pool: asyncpg.Pool) -> None:
    """The successor that is being made at the same moment ends with the rest of its family."""
    account, sessions = await make(pool), Sessions(pool, lifetime=timedelta(days=1))
    for number in range(RACES):
        first, second, third = (new_refresh_secret("default") for _ in range(3))
        family = str(uuid.uuid4())
        assert await sessions.open(account, family, first, ORIGIN)
        await sessions.rotate(first, second, ORIGIN)

        pair = [sessions.rotate(second, third, ORIGIN), sessions.rotate(first, new_refresh_secret("default"), ORIGIN)]
        if number % 2:
            pair.reverse()
        answers = await asyncio.gather(*pair, return_exceptions=True)

        assert any(isinstance(answer, RefreshTokenReused) for answer in answers)
        assert await ended(sessions, account, family, third, second), f"try {number}"


async def test_logout_ends_the_session_also_while_it_is_refreshed(pool: asyncpg.Pool) -> None:
    """Whichever comes first, nothing of the session is left."""
    account, sessions = await make(pool), Sessions(pool, lifetime=timedelta(days=1))
    for number in range(RACES):
        first, second = new_refresh_secret("default"), new_refresh_secret("default")
        family = str(uuid.uuid4())
        assert await sessions.open(account, family, first, ORIGIN)

        pair = [sessions.rotate(first, second, ORIGIN), sessions.end("default", family)]
        if number % 2:
            pair.reverse()
        await asyncio.gather(*pair, return_exceptions=True)

        assert await ended(sessions, account, family, second), f"try {number}"


async def test_a_new_password_ends_the_session_also_while_it_is_refreshed(pool: asyncpg.Pool) -> None:
    """A successor made from what was read before the change is worth nothing after it; nothing deadlocks."""
    users, account = Users(pool), await make(pool, role=Role.ADMIN)
    await make(pool, "second", Role.ADMIN)
    sessions = Sessions(pool, lifetime=timedelta(days=1))
    for number in range(RACES):
        account = (await users.get("default", account.user_id)).account
        first, second = new_refresh_secret("default"), new_refresh_secret("default")
        family = str(uuid.uuid4())
        assert await sessions.open(account, family, first, ORIGIN)

        answers = await asyncio.gather(
            sessions.rotate(first, second, ORIGIN),
            users.change("default", account.user_id, AccountChange(password_hash=f"hash {number}", role=Role.ADMIN)),
            return_exceptions=True,
        )

        assert isinstance(answers[1], Account)
        assert not isinstance(answers[0], asyncpg.PostgresError)
        assert await ended(sessions, account, family, second), f"try {number}"


async def test_a_login_that_began_before_a_new_password_opens_nothing(pool: asyncpg.Pool) -> None:
    """The hash it was checked against is not the account's any more; nor does it put the old hash back."""
    users, stale = Users(pool), await make(pool)
    sessions = Sessions(pool, lifetime=timedelta(days=1))
    await users.change("default", stale.user_id, AccountChange(password_hash="new"))
    secret, family = new_refresh_secret("default"), str(uuid.uuid4())

    opened = await sessions.open(stale, family, secret, ORIGIN)
    await users.note_login(stale, "old, with new parameters")

    assert not opened
    assert await pool.fetchval("SELECT count(*) FROM refresh_session") == 0
    assert (await users.get("default", stale.user_id)).password_hash == "new"


async def test_a_password_is_changed_only_from_what_was_read(pool: asyncpg.Pool) -> None:
    """Who proved the old password while another changed it proved nothing."""
    users, stale = Users(pool), await make(pool)
    await users.change("default", stale.user_id, AccountChange(password_hash="new"))

    with pytest.raises(TokenRefused):
        await users.change(
            "default", stale.user_id, AccountChange(password_hash="x", session_version=stale.session_version)
        )

    assert (await users.get("default", stale.user_id)).password_hash == "new"


async def test_sessions_of_before_the_version_column_go_on(postgres: Any) -> None:
    """0002 gives every session the version its account has."""
    url = postgres.url_for("api-gateway")
    await migrate(url, "api_gateway")
    pool = await connect_pool(url, service="test")
    account, sessions = await make(pool), Sessions(pool, lifetime=timedelta(days=1))
    secret, family = new_refresh_secret("default"), str(uuid.uuid4())
    await sessions.open(account, family, secret, ORIGIN)
    await pool.execute("ALTER TABLE refresh_session DROP COLUMN session_version")
    migration = resources.files("api_gateway") / "migrations" / "0002_tie_session_to_version.sql"
    await pool.execute(migration.read_text())

    assert await sessions.standing("default", account.user_id, family) == account
    await pool.close()
