"""Login, refresh, logout, one's own account."""

from __future__ import annotations

import uuid
from typing import Any

import structlog

from api_gateway import metrics
from api_gateway.account import Account, AccountChange, Origin
from api_gateway.compose.accounts import session_view, user_view
from api_gateway.errors import BadCredentials, RateLimited, RefreshTokenReused, RegistrationDisabled, TokenRefused
from api_gateway.models import accounts as views
from api_gateway.models.paging import NoQuery
from api_gateway.models.system import Message
from api_gateway.passwords import check_strength
from api_gateway.permissions import Permission, Role
from api_gateway.registry import PUBLIC, Answer, Call, RateClass, Registry
from api_gateway.store import StoredAccount
from api_gateway.throttle import Throttle
from api_gateway.tokens import new_refresh_secret, read_refresh_secret
from contracts.ids import DEFAULT_TENANT

log = structlog.get_logger()

routes = Registry()

_TAG = "accounts"
_REFUSED = "wrong username or password"


@routes.route(
    "POST",
    "/api/v1/auth/login",
    permission=PUBLIC,
    rate=RateClass.LOGIN,
    tag=_TAG,
    body=views.Credentials,
    answers={200: views.Session},
    errors=(401, 429),
)
async def login(call: Call[NoQuery, views.Credentials]) -> Answer:
    """
    Log in.

    The answer to a refused login is always the same, and takes as long. Failed logins are limited per account and
    per address.
    """
    limits = call.parts.throttles
    account_key = f"{DEFAULT_TENANT}/{call.body.username.lower()}"
    _charge(limits.login_address, call.remote_address)
    _charge(limits.login_account, account_key)
    stored = await _check_password(call, call.body.username, call.body.password)
    if stored is None:
        metrics.LOGINS.labels("refused").inc()
        log.warning("login_refused", remote_address=call.remote_address)
        raise BadCredentials(_REFUSED)
    limits.login_address.give_back(call.remote_address)
    limits.login_account.give_back(account_key)
    outdated = call.parts.passwords.is_outdated(stored.password_hash)
    rehashed = await call.parts.passwords.hash(call.body.password) if outdated else None
    await call.parts.users.note_login(DEFAULT_TENANT, stored.account.user_id, rehashed)
    metrics.LOGINS.labels("ok").inc()
    return Answer(await _open_session(call, stored.account))


@routes.route(
    "POST",
    "/api/v1/auth/register",
    permission=PUBLIC,
    rate=RateClass.LOGIN,
    tag=_TAG,
    body=views.Registration,
    answers={201: views.Session},
    errors=(403, 409, 429),
)
async def register(call: Call[NoQuery, views.Registration]) -> Answer:
    """Make an account for oneself, with the role viewer; off unless an administrator turned it on."""
    if not call.parts.registration_enabled:
        raise RegistrationDisabled("registration is off here; ask an administrator for an account")
    _charge(call.parts.throttles.login_address, call.remote_address)
    check_strength(call.body.username, call.body.password)
    password_hash = await call.parts.passwords.hash(call.body.password)
    account = await call.parts.users.create(
        DEFAULT_TENANT, call.body.username, call.body.email, password_hash, Role.VIEWER
    )
    return Answer(await _open_session(call, account), status=201)


@routes.route(
    "POST",
    "/api/v1/auth/refresh",
    permission=PUBLIC,
    rate=RateClass.LOGIN,
    tag=_TAG,
    body=views.RefreshToken,
    answers={200: views.Session},
    errors=(401, 429),
)
async def refresh(call: Call[NoQuery, views.RefreshToken]) -> Answer:
    """
    Trade a refresh token for a new access token and a new refresh token.

    Each refresh token works once. Showing one again ends the session: somebody has a copy.
    """
    address = call.parts.throttles.login_address
    _charge(address, call.remote_address)
    try:
        shown = read_refresh_secret(call.body.refresh_token)
        successor = new_refresh_secret(shown.tenant_id)
        account, family = await call.parts.sessions.rotate(shown, successor, _origin(call))
    except RefreshTokenReused:
        metrics.REFRESHES.labels("reused").inc()
        log.warning("refresh_credential_reused", remote_address=call.remote_address)
        raise
    except TokenRefused:
        metrics.REFRESHES.labels("refused").inc()
        raise
    address.give_back(call.remote_address)
    metrics.REFRESHES.labels("ok").inc()
    return Answer(_session(call, account, family, successor.text))


@routes.route("POST", "/api/v1/auth/logout", permission=Permission.PROFILE_WRITE, tag=_TAG, answers={200: Message})
async def logout(call: Call[NoQuery, None]) -> Answer:
    """End this session: its refresh token at once, its access token within half a minute everywhere."""
    await call.parts.sessions.end(call.tenant_id, call.principal.session_id)
    call.parts.authenticator.forget(call.principal.user_id)
    message: Message = {"message": "logged out"}
    return Answer(message)


@routes.route(
    "GET",
    "/api/v1/me",
    permission=Permission.PROFILE_READ,
    tag=_TAG,
    answers={200: views.User},
    aliases=("/api/v1/auth/me",),
)
async def get_me(call: Call[NoQuery, None]) -> Answer:
    """Get one's own account."""
    return Answer(user_view((await call.parts.users.get(call.tenant_id, call.principal.user_id)).account))


@routes.route(
    "PUT",
    "/api/v1/me/password",
    permission=Permission.PROFILE_WRITE,
    tag=_TAG,
    body=views.PasswordChange,
    answers={200: views.Session},
    errors=(429,),
    aliases=("/api/v1/auth/password",),
)
async def change_password(call: Call[NoQuery, views.PasswordChange]) -> Answer:
    """Change one's own password; every session ends, and the answer opens a new one."""
    limits = call.parts.throttles
    stored = await call.parts.users.get(call.tenant_id, call.principal.user_id)
    account_key = f"{call.tenant_id}/{stored.account.username.lower()}"
    _charge(limits.login_account, account_key)
    if not await call.parts.passwords.verify(stored.password_hash, call.body.current_password):
        raise BadCredentials("the current password is wrong")
    limits.login_account.give_back(account_key)
    check_strength(stored.account.username, call.body.new_password, field="new_password")
    password_hash = await call.parts.passwords.hash(call.body.new_password)
    account = await call.parts.users.change(
        call.tenant_id, stored.account.user_id, AccountChange(password_hash=password_hash)
    )
    call.parts.authenticator.forget(account.user_id)
    return Answer(await _open_session(call, account))


async def _check_password(call: Call[Any, Any], username: str, password: str) -> StoredAccount | None:
    """Find the account if the password fits and it is active; work as hard when it does not exist."""
    stored = await call.parts.users.by_name(DEFAULT_TENANT, username)
    fits = await call.parts.passwords.verify(stored.password_hash if stored else None, password)
    return stored if stored and fits and stored.account.is_active else None


async def _open_session(call: Call[Any, Any], account: Account) -> views.Session:
    family = str(uuid.uuid4())
    secret = new_refresh_secret(account.tenant_id)
    await call.parts.sessions.open(account, family, secret, _origin(call))
    return _session(call, account, family, secret.text)


def _session(call: Call[Any, Any], account: Account, family: str, refresh_token: str) -> views.Session:
    call.parts.authenticator.confirm(account, family)
    tokens = call.parts.tokens
    token = tokens.sign(account.principal(family), account.session_version, call.parts.clock.now())
    return session_view(account, token, refresh_token, tokens.lifetime_seconds)


def _origin(call: Call[Any, Any]) -> Origin:
    return Origin(call.remote_address, call.headers.get("User-Agent", ""))


def _charge(throttle: Throttle, key: str) -> None:
    verdict = throttle.take(key)
    if not verdict.allowed:
        metrics.LOGINS.labels("throttled").inc()
        metrics.RATE_LIMITED.labels(RateClass.LOGIN.value).inc()
        raise RateLimited("too many attempts; wait a moment", retry_after_seconds=verdict.retry_after_seconds)
