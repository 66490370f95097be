"""
Who may do what: three roles, permissions written `resource:verb`, one pure function that decides.

Nothing is allowed that is not listed here; a route names exactly one permission (registry.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from fnmatch import fnmatchcase


class Role(StrEnum):
    """What a user is in a tenant."""

    VIEWER = "viewer"
    """Reads everything but users and enrolment tokens."""

    OPERATOR = "operator"
    """Also writes configurations and packages, pushes, offers, assigns, approves, commands and deletes agents."""

    ADMIN = "admin"
    """Also manages users, keys of packages, enrolment tokens and connection settings, which carry secrets."""


class Permission(StrEnum):
    """One verb on one resource."""

    PROFILE_READ = "profile:read"
    PROFILE_WRITE = "profile:write"
    AGENT_READ = "agent:read"
    AGENT_WRITE = "agent:write"
    AGENT_DELETE = "agent:delete"
    AGENT_APPROVE = "agent:approve"
    AGENT_CREDENTIAL = "agent:credential"
    AGENT_COMMAND = "agent:command"
    CUSTOM_MESSAGE_SEND = "custom_message:send"
    CONNECTION_SETTINGS_READ = "connection_settings:read"
    CONNECTION_SETTINGS_WRITE = "connection_settings:write"
    CONFIGURATION_READ = "configuration:read"
    CONFIGURATION_WRITE = "configuration:write"
    CONFIGURATION_DELETE = "configuration:delete"
    CONFIGURATION_PUSH = "configuration:push"
    PACKAGE_READ = "package:read"
    PACKAGE_WRITE = "package:write"
    PACKAGE_DELETE = "package:delete"
    PACKAGE_KEY_WRITE = "package_key:write"
    PACKAGE_OFFER = "package:offer"
    CAMPAIGN_READ = "campaign:read"
    CAMPAIGN_RUN = "campaign:run"
    ENROLMENT_TOKEN_READ = "enrolment_token:read"  # noqa: S105 - a permission, not a secret
    ENROLMENT_TOKEN_WRITE = "enrolment_token:write"  # noqa: S105 - a permission, not a secret
    USER_READ = "user:read"
    USER_WRITE = "user:write"
    METRICS_READ = "metrics:read"


class Access(Enum):
    """What a route declares instead of a permission when everybody may call it."""

    PUBLIC = "public"


_VIEWER = frozenset(
    (
        Permission.PROFILE_READ,
        Permission.PROFILE_WRITE,
        Permission.AGENT_READ,
        Permission.CONFIGURATION_READ,
        Permission.PACKAGE_READ,
        Permission.CAMPAIGN_READ,
        Permission.CONNECTION_SETTINGS_READ,
        Permission.METRICS_READ,
    )
)
_OPERATOR = _VIEWER | frozenset(
    (
        Permission.AGENT_WRITE,
        Permission.AGENT_DELETE,
        Permission.AGENT_APPROVE,
        Permission.AGENT_CREDENTIAL,
        Permission.AGENT_COMMAND,
        Permission.CUSTOM_MESSAGE_SEND,
        Permission.CONFIGURATION_WRITE,
        Permission.CONFIGURATION_DELETE,
        Permission.CONFIGURATION_PUSH,
        Permission.PACKAGE_WRITE,
        Permission.PACKAGE_DELETE,
        Permission.PACKAGE_OFFER,
        Permission.CAMPAIGN_RUN,
        Permission.ENROLMENT_TOKEN_READ,
    )
)
GRANTS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as proven by an access token and confirmed by the user table."""

    tenant_id: str
    user_id: str
    username: str
    role: Role
    session_id: str
    """Family of refresh tokens the access token belongs to."""


def is_allowed(principal: Principal, permission: Permission, tenant_id: str | None = None) -> bool:
    """
    Decide whether *principal* may use *permission*.

    Args:
        principal: Who asks.

        permission: What for.

        tenant_id: Tenant of the thing asked about; None = the principal's own.
    """
    if tenant_id is not None and tenant_id != principal.tenant_id:
        return False
    return permission in GRANTS[principal.role]


def may_send(principal: Principal, capability: str, roles: Mapping[str, Role]) -> bool:
    """
    Decide whether *principal* may send custom messages of *capability*.

    Args:
        principal: Who asks.

        capability: Name of the custom capability, a reversed domain name by custom.

        roles: Least role by pattern (`*` and `?` stand for anything); the longest pattern that fits decides, and
            where none fits the permission custom_message:send is enough.
    """
    if not is_allowed(principal, Permission.CUSTOM_MESSAGE_SEND):
        return False
    fitting = [pattern for pattern in roles if fnmatchcase(capability, pattern)]
    if not fitting:
        return True
    needed = roles[max(fitting, key=len)]
    ranks = list(Role)
    return ranks.index(principal.role) >= ranks.index(needed)
