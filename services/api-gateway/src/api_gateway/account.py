"""Accounts and sessions as this room knows them; what of them is shown is decided in compose/accounts.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api_gateway.permissions import Principal, Role


@dataclass(frozen=True)
class Account:
    """A user of a tenant, with the role it has there."""

    tenant_id: str
    user_id: str
    username: str
    email: str
    role: Role
    is_active: bool
    session_version: int
    """Access tokens that carry another number are void."""

    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None

    def principal(self, session_id: str) -> Principal:
        """Who this account is within one session."""
        return Principal(self.tenant_id, self.user_id, self.username, self.role, session_id)


@dataclass(frozen=True)
class AccountChange:
    """What to change of an account; None keeps the value."""

    email: str | None = None
    role: Role | None = None
    is_active: bool | None = None
    password_hash: str | None = None
    session_version: int | None = None
    """Change nothing unless the account still has this one."""


@dataclass(frozen=True)
class AccountPage:
    """Some accounts, by username."""

    accounts: tuple[Account, ...]
    total: int
    next_cursor: str


@dataclass(frozen=True)
class Origin:
    """Where a login came from; for people who look at sessions later."""

    remote_address: str
    user_agent: str
