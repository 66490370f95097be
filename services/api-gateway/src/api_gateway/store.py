"""
Users and sessions in PostgreSQL.

The guards stand in the SQL: names are unique by index, the last administrator by a lock on the bindings, a
refresh token works once by a lock on its family. Locks are taken in one order: family, account, sessions.
Repeating a call after a lost answer is safe or refused.
"""

from __future__ import annotations

import base64
import hmac
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg

from api_gateway.account import Account, AccountChange, AccountPage, Origin
from api_gateway.errors import LastAdministrator, Malformed, RefreshTokenReused, TokenRefused, UnknownUser, UserExists
from api_gateway.permissions import Role
from api_gateway.tokens import RefreshSecret
from servicekit.errors import Problem

MAX_USER_AGENT_LENGTH = 256

_ACCOUNT = """
SELECT u.tenant_id, u.user_id, u.username, u.email, b.role, u.is_active, u.session_version,
       u.created_at, u.updated_at, u.last_login_at, u.password_hash
FROM user_account u JOIN role_binding b USING (tenant_id, user_id)
"""
_ACCOUNT_BY_ID = f"{_ACCOUNT} WHERE u.tenant_id = $1 AND u.user_id = $2"
_MATCHES = "($2 = '' OR strpos(lower(u.username), lower($2)) > 0 OR strpos(lower(u.email), lower($2)) > 0)"


@dataclass(frozen=True)
class StoredAccount:
    """An account with its password hash, which goes no further than the login."""

    account: Account
    password_hash: str


class Users:
    """Accounts of every tenant."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    _INSERT_USER = """
    INSERT INTO user_account (tenant_id, username, email, password_hash) VALUES ($1, $2, $3, $4) RETURNING user_id
    """
    _INSERT_BINDING = "INSERT INTO role_binding (tenant_id, user_id, role) VALUES ($1, $2, $3)"

    async def create(self, tenant_id: str, username: str, email: str, password_hash: str, role: Role) -> Account:
        """
        Make an account.

        Raises:
            UserExists: Username or e-mail address is taken, whatever the case; two racing creations included.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                user_id = await connection.fetchval(self._INSERT_USER, tenant_id, username, email, password_hash)
                await connection.execute(self._INSERT_BINDING, tenant_id, user_id, role.value)
                row = await connection.fetchrow(_ACCOUNT_BY_ID, tenant_id, user_id)
        except asyncpg.UniqueViolationError as error:
            raise _taken(error) from error
        return _expect(row)

    _BY_NAME = f"{_ACCOUNT} WHERE u.tenant_id = $1 AND lower(u.username) = lower($2)"

    async def by_name(self, tenant_id: str, username: str) -> StoredAccount | None:
        """Find an account for a login."""
        row = await self._pool.fetchrow(self._BY_NAME, tenant_id, username)
        return StoredAccount(_account(row), row["password_hash"]) if row else None

    async def get(self, tenant_id: str, user_id: str) -> StoredAccount:
        """
        Find an account by id.

        Raises:
            UnknownUser: There is none, or the id cannot be one.
        """
        row = await self._pool.fetchrow(_ACCOUNT_BY_ID, tenant_id, _uuid(user_id))
        if row is None:
            raise UnknownUser("there is no such user")
        return StoredAccount(_account(row), row["password_hash"])

    _LIST = f"""
    {_ACCOUNT}
    WHERE u.tenant_id = $1 AND {_MATCHES} AND ($3 = '' OR lower(u.username) > $3)
    ORDER BY lower(u.username) LIMIT $4 OFFSET $5
    """
    _COUNT = f"SELECT count(*) FROM user_account u WHERE u.tenant_id = $1 AND {_MATCHES}"  # noqa: S608 - constants

    async def list_accounts(self, tenant_id: str, search: str, limit: int, offset: int, cursor: str) -> AccountPage:
        """
        List accounts by username.

        Raises:
            Malformed: The cursor is none of ours.
        """
        after = _read_cursor(cursor)
        rows = await self._pool.fetch(self._LIST, tenant_id, search, after, limit + 1, offset)
        total: int = await self._pool.fetchval(self._COUNT, tenant_id, search)
        accounts = tuple(_account(row) for row in rows[:limit])
        more = len(rows) > limit
        return AccountPage(accounts, total, _write_cursor(accounts[-1].username.lower()) if more else "")

    # Locked in one order whoever changes whom, so that two administrators cannot remove each other at once.
    _LOCK_ADMINS = """
    SELECT b.user_id FROM role_binding b JOIN user_account u USING (tenant_id, user_id)
    WHERE b.tenant_id = $1 AND b.role = 'admin' AND u.is_active ORDER BY b.user_id FOR UPDATE
    """
    _CHANGE_USER = """
    UPDATE user_account SET
        email = coalesce($3, email),
        is_active = coalesce($4, is_active),
        password_hash = coalesce($5, password_hash),
        session_version = session_version + CASE WHEN $4 IS FALSE OR $5 IS NOT NULL THEN 1 ELSE 0 END,
        updated_at = now()
    WHERE tenant_id = $1 AND user_id = $2 AND ($6::bigint IS NULL OR session_version = $6) RETURNING true
    """
    _CHANGE_ROLE = "UPDATE role_binding SET role = $3 WHERE tenant_id = $1 AND user_id = $2"

    async def change(self, tenant_id: str, user_id: str, change: AccountChange) -> Account:
        """
        Change an account; disabling it or setting a password ends its sessions.

        Raises:
            UnknownUser: There is none.

            UserExists: The e-mail address is taken.

            LastAdministrator: Nobody could manage users any more.

            TokenRefused: The sessions of the account ended since the caller read it.
        """
        key = _uuid(user_id)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                if change.is_active is False or (change.role is not None and change.role is not Role.ADMIN):
                    admins = [row["user_id"] for row in await connection.fetch(self._LOCK_ADMINS, tenant_id)]
                    if admins == [key]:
                        raise LastAdministrator("this is the last active administrator; make another one first")
                found = await connection.fetchval(
                    self._CHANGE_USER, tenant_id, key, change.email, change.is_active, change.password_hash,
                    change.session_version,
                )  # fmt: skip
                if not found and change.session_version is not None:
                    raise TokenRefused("this session has ended; log in again")
                if not found:
                    raise UnknownUser("there is no such user")
                if change.role is not None:
                    await connection.execute(self._CHANGE_ROLE, tenant_id, key, change.role.value)
                if change.is_active is False or change.password_hash is not None:
                    await connection.execute(Sessions.REVOKE_USER, tenant_id, key)
                row = await connection.fetchrow(_ACCOUNT_BY_ID, tenant_id, key)
        except asyncpg.UniqueViolationError as error:
            raise _taken(error) from error
        return _expect(row)

    _NOTE_LOGIN = """
    UPDATE user_account SET last_login_at = now(), password_hash = coalesce($4, password_hash)
    WHERE tenant_id = $1 AND user_id = $2 AND session_version = $3
    """

    async def note_login(self, account: Account, rehashed: str | None) -> None:
        """
        Remember a login, and the password hash when it was made anew with today's parameters.

        Nothing happens if the password changed since *account* was read: its old hash must not come back.
        """
        await self._pool.execute(
            self._NOTE_LOGIN, account.tenant_id, _uuid(account.user_id), account.session_version, rehashed
        )


class Sessions:
    """Refresh tokens, in families that begin with a login."""

    def __init__(self, pool: asyncpg.Pool, *, lifetime: timedelta) -> None:
        self._pool = pool
        self._lifetime = lifetime

    _OPEN = """
    INSERT INTO refresh_session
        (tenant_id, token_id, family_id, user_id, token_hash, remote_address, user_agent, expires_at, session_version)
    SELECT u.tenant_id, $2, $3, u.user_id, $5, $6, $7, now() + $8, u.session_version
    FROM user_account u
    WHERE u.tenant_id = $1 AND u.user_id = $4 AND u.session_version = $9 AND u.is_active
    FOR SHARE
    RETURNING true
    """

    async def open(self, account: Account, family_id: str, secret: RefreshSecret, origin: Origin) -> bool:
        """
        Begin a family.

        Returns:
            Whether it was begun; not if the sessions of the account ended since *account* was read: a new password
            while the old one was being checked.
        """
        async with self._pool.acquire() as connection:
            return await self._insert(connection, account, _uuid(family_id), secret, origin)

    async def _insert(
        self, connection: Any, account: Account, family_id: uuid.UUID, secret: RefreshSecret, origin: Origin
    ) -> bool:
        made = await connection.fetchval(
            self._OPEN, account.tenant_id, secret.token_id, family_id, _uuid(account.user_id), secret.digest,
            origin.remote_address, origin.user_agent[:MAX_USER_AGENT_LENGTH], self._lifetime, account.session_version,
        )  # fmt: skip
        return made is not None

    _FIND = """
    SELECT s.family_id, s.user_id, s.token_hash, s.used_at, s.revoked_at, s.expires_at <= now() AS expired,
           s.session_version
    FROM refresh_session s WHERE s.tenant_id = $1 AND s.token_id = $2
    """
    # Whoever changes a family holds this, so that a revocation sees the token a rotation is just putting in.
    _LOCK_FAMILY = "SELECT pg_advisory_xact_lock(hashtextextended('refresh_session/' || $1 || '/' || $2, 0))"
    _LOCK_USER = "SELECT FROM user_account WHERE tenant_id = $1 AND user_id = $2 FOR SHARE"
    _USE = "UPDATE refresh_session SET used_at = now() WHERE tenant_id = $1 AND token_id = $2"
    _REVOKE_FAMILY = """
    UPDATE refresh_session SET revoked_at = now()
    WHERE tenant_id = $1 AND family_id = $2 AND used_at IS NULL AND revoked_at IS NULL
    """
    REVOKE_USER = """
    UPDATE refresh_session SET revoked_at = now()
    WHERE tenant_id = $1 AND user_id = $2 AND used_at IS NULL AND revoked_at IS NULL
    """

    _ACTIVE = f"{_ACCOUNT_BY_ID} AND u.is_active"

    async def rotate(self, shown: RefreshSecret, successor: RefreshSecret, origin: Origin) -> tuple[Account, str]:
        """
        Use up *shown* and put *successor* in its place.

        Of two requests with the same token one wins; the other counts as reuse, for nothing tells it from theft.

        Returns:
            The account as it is now, and the family.

        Raises:
            TokenRefused: Unknown, expired or revoked, or the account is disabled.

            RefreshTokenReused: It was used before; the family is revoked, which is committed.
        """
        # Every look at the family comes after its lock: what a parallel call did is then seen, its revocation too.
        refused = TokenRefused("the refresh token is not valid; log in again")
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(self._FIND, shown.tenant_id, shown.token_id)
            if row is None or not hmac.compare_digest(row["token_hash"], shown.digest):
                raise refused
            family_id = row["family_id"]
            await connection.execute(self._LOCK_FAMILY, shown.tenant_id, str(family_id))
            await connection.execute(self._LOCK_USER, shown.tenant_id, row["user_id"])
            row = await connection.fetchrow(self._FIND, shown.tenant_id, shown.token_id)
            if row is None:
                raise refused
            account: Account | None = None
            if row["used_at"] is not None:
                await connection.execute(self._REVOKE_FAMILY, shown.tenant_id, family_id)
            else:
                if row["revoked_at"] is not None or row["expired"]:
                    raise refused
                found = await connection.fetchrow(self._ACTIVE, shown.tenant_id, row["user_id"])
                if found is None or found["session_version"] != row["session_version"]:
                    raise refused
                account = _account(found)
                await connection.execute(self._USE, shown.tenant_id, shown.token_id)
                if not await self._insert(connection, account, family_id, successor, origin):
                    raise refused
        if account is None:
            raise RefreshTokenReused("this refresh token was used before; the session is ended, log in again")
        return account, str(family_id)

    async def end(self, tenant_id: str, family_id: str) -> None:
        """End one family; ending it twice is harmless."""
        family = _uuid(family_id)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._LOCK_FAMILY, tenant_id, str(family))
            await connection.execute(self._REVOKE_FAMILY, tenant_id, family)

    _STANDING = f"""
    {_ACCOUNT}
    WHERE u.tenant_id = $1 AND u.user_id = $2 AND u.is_active AND EXISTS (
        SELECT FROM refresh_session s
        WHERE s.tenant_id = $1 AND s.family_id = $3 AND s.used_at IS NULL AND s.revoked_at IS NULL
          AND s.session_version = u.session_version
    )
    """

    async def standing(self, tenant_id: str, user_id: str, family_id: str) -> Account | None:
        """Tell the account behind a session as it is now; None when either is ended."""
        row = await self._pool.fetchrow(self._STANDING, tenant_id, _uuid(user_id), _uuid(family_id))
        return _account(row) if row else None

    async def forget_expired(self) -> None:
        """Delete refresh tokens past their life; until then a used one must be known to be caught."""
        await self._pool.execute("DELETE FROM refresh_session WHERE expires_at < now()")


def _account(row: asyncpg.Record) -> Account:
    return Account(
        tenant_id=row["tenant_id"],
        user_id=str(row["user_id"]),
        username=row["username"],
        email=row["email"],
        role=Role(row["role"]),
        is_active=row["is_active"],
        session_version=row["session_version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        last_login_at=row["last_login_at"],
    )


def _expect(row: asyncpg.Record | None) -> Account:
    """Read a row the same transaction made sure of."""
    if row is None:
        message = "a row written in this transaction is not there"
        raise RuntimeError(message)
    return _account(row)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise UnknownUser("there is no such user") from error


def _taken(error: asyncpg.UniqueViolationError) -> UserExists:
    field = "email" if "email" in (error.constraint_name or "") else "username"
    public = f"this {'e-mail address' if field == 'email' else 'username'} is taken"
    return UserExists(public, details=[Problem(field, public)])


def _write_cursor(username: str) -> str:
    return base64.urlsafe_b64encode(username.encode()).decode()


def _read_cursor(cursor: str) -> str:
    try:
        name = base64.b64decode(cursor, altchars=b"-_", validate=True).decode() if cursor else ""
    except ValueError:
        name = "\0"
    if "\0" in name:
        public = "the cursor is not one of this list"
        raise Malformed(public, details=[Problem("cursor", public)])
    return name
