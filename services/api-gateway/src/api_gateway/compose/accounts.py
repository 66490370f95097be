"""Accounts and sessions become views."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api_gateway.account import Account, AccountPage
    from api_gateway.models import accounts as views


def user_view(account: Account) -> views.User:
    """Compose a user; nothing about its password."""
    return {
        "id": account.user_id,
        "username": account.username,
        "email": account.email,
        "role": account.role.value,
        "is_active": account.is_active,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
        "last_login_at": account.last_login_at,
    }


def user_page_view(page: AccountPage, *, limit: int, offset: int) -> views.UserPage:
    """Compose a page of users."""
    return {
        "users": [user_view(account) for account in page.accounts],
        "total": page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": page.next_cursor or None,
    }


def session_view(account: Account, token: str, refresh_token: str, expires_in: int) -> views.Session:
    """Compose what a login answers."""
    return {"token": token, "refresh_token": refresh_token, "expires_in": expires_in, "user": user_view(account)}
