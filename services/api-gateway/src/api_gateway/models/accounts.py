"""Users, logins and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from api_gateway.models.document import Document, view
from api_gateway.models.paging import PageQuery
from api_gateway.permissions import Role

MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 256

Username = Annotated[str, Field(min_length=3, max_length=32, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
NewPassword = Annotated[str, Field(min_length=MIN_PASSWORD_LENGTH, max_length=MAX_PASSWORD_LENGTH)]

_SERVER_OWNED = frozenset(("id", "created_at", "updated_at", "last_login_at"))


class Credentials(Document):
    """A login."""

    username: Annotated[str, Field(min_length=1, max_length=254)]
    password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_LENGTH, repr=False)]


class Registration(Document):
    """An account somebody makes for themselves; a role sent along is ignored, it is viewer."""

    server_owned = _SERVER_OWNED | {"role", "is_active"}

    username: Username
    """3 to 32 letters, digits, dots, hyphens, underscores; unique whatever the case."""

    email: Email
    password: Annotated[NewPassword, Field(repr=False)]


class RefreshToken(Document):
    """A refresh token."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=512, repr=False)]


class PasswordChange(Document):
    """A new password; every other session of the user ends."""

    current_password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_LENGTH, repr=False)]
    new_password: Annotated[NewPassword, Field(repr=False)]


class NewUser(Document):
    """An account an administrator makes."""

    server_owned = _SERVER_OWNED

    username: Username
    email: Email | None = None
    role: Role = Role.VIEWER
    password: Annotated[NewPassword | None, Field(repr=False)] = None
    """Left out: one is generated and told once."""


class UserChange(Document):
    """What an administrator may change of a user; a field left out keeps its value."""

    server_owned = _SERVER_OWNED | {"username"}

    email: Email | None = None
    role: Role | None = None
    is_active: bool | None = None
    """false ends every session of the user."""

    password: Annotated[NewPassword | None, Field(repr=False)] = None
    """Sets a new one and ends every session of the user."""


class UserQuery(PageQuery):
    """Which users."""

    search: Annotated[str, Field(max_length=200)] = ""
    """Case-insensitive part of username or e-mail address."""


@view
class User(TypedDict):
    """An account."""

    id: str
    username: str
    email: str
    role: str
    """viewer | operator | admin"""

    is_active: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None


@view
class CreatedUser(User):
    """A new account."""

    password: NotRequired[str]
    """Only when it was generated; said once."""


@view
class UserPage(TypedDict):
    """A page of users, by username."""

    users: list[User]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class Session(TypedDict):
    """A session."""

    token: str
    """Access token for `Authorization: Bearer`."""

    refresh_token: str
    """For POST /api/v1/auth/refresh; works once."""

    expires_in: int
    """Life of the access token in seconds."""

    user: User
