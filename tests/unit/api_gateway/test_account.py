"""Accounts as this room knows them."""

from __future__ import annotations

from datetime import UTC, datetime

from api_gateway.account import Account, AccountChange
from api_gateway.permissions import Principal, Role

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_an_account_acts_within_one_session() -> None:
    """With the role it has now, in its own tenant."""
    account = Account(
        tenant_id="default",
        user_id="u",
        username="joe",
        email="",
        role=Role.OPERATOR,
        is_active=True,
        session_version=1,
        created_at=NOW,
        updated_at=NOW,
        last_login_at=None,
    )

    assert account.principal("s") == Principal("default", "u", "joe", Role.OPERATOR, "s")


def test_a_change_changes_nothing_by_itself() -> None:
    """Every field keeps its value unless said otherwise."""
    assert AccountChange() == AccountChange(email=None, role=None, is_active=None, password_hash=None)
