"""Accounts and sessions as the API shows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from api_gateway.account import Account, AccountPage
from api_gateway.compose.accounts import session_view, user_page_view, user_view
from api_gateway.models import accounts as views
from api_gateway.permissions import Role

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ACCOUNT = Account(
    tenant_id="default",
    user_id="u-1",
    username="jo",
    email="jo@x",
    role=Role.VIEWER,
    is_active=True,
    session_version=9,
    created_at=NOW,
    updated_at=NOW,
    last_login_at=None,
)
Conforms = Callable[[Any, Any], None]


def test_a_user_has_the_names_of_the_original_and_no_secret(conforms: Conforms) -> None:
    """No hash, no session version, no tenant."""
    view = user_view(ACCOUNT)

    conforms(views.User, view)
    assert set(view) == {
        "id", "username", "email", "role", "is_active", "created_at", "updated_at", "last_login_at",
    }  # fmt: skip


def test_a_session_and_a_page(conforms: Conforms) -> None:
    """What a login answers, and a list."""
    conforms(views.Session, session_view(ACCOUNT, "a.b.c", "ort", 600))
    page = user_page_view(AccountPage((ACCOUNT,), 2, "next"), limit=1, offset=0)
    conforms(views.UserPage, page)

    assert page["next_cursor"] == "next"
    assert ACCOUNT.principal("s").session_id == "s"
