"""Roles and permissions: who may do what."""

from __future__ import annotations

import pytest

from api_gateway.permissions import GRANTS, Permission, Principal, Role, is_allowed, may_send


def principal(role: Role, tenant: str = "default") -> Principal:
    """Make somebody with a role."""
    return Principal(tenant, "u", "jo", role, "s")


def test_each_role_holds_all_that_a_lesser_one_holds() -> None:
    """Promotion never takes a right away."""
    assert GRANTS[Role.VIEWER] < GRANTS[Role.OPERATOR] < GRANTS[Role.ADMIN]
    assert GRANTS[Role.ADMIN] == frozenset(Permission)


@pytest.mark.parametrize("permission", [p for p in Permission if not p.value.endswith(":read")])
def test_viewer_writes_nothing_but_its_own_profile(permission: Permission) -> None:
    """A viewer cannot change the fleet."""
    assert is_allowed(principal(Role.VIEWER), permission) == (permission is Permission.PROFILE_WRITE)


@pytest.mark.parametrize(
    "permission",
    [
        Permission.USER_READ,
        Permission.USER_WRITE,
        Permission.ENROLMENT_TOKEN_WRITE,
        Permission.CONNECTION_SETTINGS_WRITE,
    ],
)
def test_only_admin_manages_people_and_credentials(permission: Permission) -> None:
    """An operator cannot make users or enrolment tokens."""
    assert not is_allowed(principal(Role.OPERATOR), permission)
    assert is_allowed(principal(Role.ADMIN), permission)


def test_another_tenants_things_are_nobodys_here() -> None:
    """Not even an administrator reaches into another tenant."""
    admin = principal(Role.ADMIN)

    assert is_allowed(admin, Permission.AGENT_READ, "default")
    assert not is_allowed(admin, Permission.AGENT_READ, "other")


@pytest.mark.parametrize(
    ("capability", "operator"),
    [("com.example.status", True), ("com.example.shell", False), ("com.example.shell.read", True), ("org.other", True)],
)
def test_the_longest_pattern_that_fits_decides_who_may_send(capability: str, *, operator: bool) -> None:
    """A viewer never, an administrator always, an operator unless the capability asks for more."""
    roles = {"com.example.*": Role.OPERATOR, "com.example.shell*": Role.ADMIN, "com.example.shell.read": Role.OPERATOR}

    assert not may_send(principal(Role.VIEWER), capability, roles)
    assert may_send(principal(Role.OPERATOR), capability, roles) is operator
    assert may_send(principal(Role.ADMIN), capability, roles)
