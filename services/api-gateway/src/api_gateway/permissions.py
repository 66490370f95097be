"""
Who may do what: three roles, permissions written `resource:verb`, one pure function that decides.

Nothing is allowed that is not listed here; a route names exactly one permission (registry.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Role(StrEnum):
    """What a user is in a tenant."""

    VIEWER = "viewer"
    """Reads everything but users and enrolment tokens."""

    OPERATOR = "operator"
    """Also writes configurations, pushes them, assigns and deletes agents."""

    ADMIN = "admin"
    """Also manages users and enrolment tokens."""


class Permission(StrEnum):
    """One verb on one resource."""

    PROFILE_READ = "profile:read"
    PROFILE_WRITE = "profile:write"
    AGENT_READ = "agent:read"
    AGENT_WRITE = "agent:write"
    AGENT_DELETE = "agent:delete"
    CONFIGURATION_READ = "configuration:read"
    CONFIGURATION_WRITE = "configuration:write"
    CONFIGURATION_DELETE = "configuration:delete"
    CONFIGURATION_PUSH = "configuration:push"
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
        Permission.METRICS_READ,
    )
)
_OPERATOR = _VIEWER | frozenset(
    (
        Permission.AGENT_WRITE,
        Permission.AGENT_DELETE,
        Permission.CONFIGURATION_WRITE,
        Permission.CONFIGURATION_DELETE,
        Permission.CONFIGURATION_PUSH,
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
