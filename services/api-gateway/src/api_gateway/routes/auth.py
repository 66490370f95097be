"""Login, refresh, logout, one's own account."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import structlog

from api_gateway import metrics
from api_gateway.account import Account, AccountChange, Origin
from api_gateway.compose.accounts import session_view, user_view
from api_gateway.errors import (
    BadCredentials,
    RateLimited,
    RefreshTokenReused,
    RegistrationDisabled,
    TokenRefused,
    Unprocessable,
)
from api_gateway.models import accounts as views
from api_gateway.models.paging import NoQuery
from api_gateway.models.system import Message
from api_gateway.passwords import check_strength
from api_gateway.permissions import Permission, Role
from api_gateway.registry import PUBLIC, Answer, Call, RateClass, Registry
from api_gateway.throttle import Throttle
from api_gateway.tokens import new_refresh_secret, read_refresh_secret
from contracts.ids import DEFAULT_TENANT
from servicekit.errors import Problem

log = structlog.get_logger()

routes = Registry()

_TAG = "accounts"
_REFUSED = "wrong username or password"

Count = tuple[Throttle, str]
"""A limit, and the key something counts against."""


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
    address, per address, and more roomily per account.
    """
    failures = [
        *_failures(call, DEFAULT_TENANT, call.body.username),
        (call.parts.throttles.login_address, call.remote_address),
    ]
    _refuse_when_spent(failures)
    stored = await call.parts.users.by_name(DEFAULT_TENANT, call.body.username)
    fits = await call.parts.passwords.verify(
        stored.password_hash if stored else None, call.body.password, admit=lambda: _refuse_when_spent(failures)
    )
    if stored is None or not fits or not stored.account.is_active:
        _count(failures)
        metrics.LOGINS.labels("refused").inc()
        # A name that is nobody's may be a password in the wrong field: it is not written down.
        known = {"account": stored.account.username} if stored else {}
        log.warning("login_refused", remote_address=call.remote_address, **known)
        raise BadCredentials(_REFUSED)
    session = await _open_session(call, stored.account)
    outdated = call.parts.passwords.is_outdated(stored.password_hash)
    rehashed = await call.parts.passwords.hash(call.body.password) if outdated else None
    await call.parts.users.note_login(stored.account, rehashed)
    metrics.LOGINS.labels("ok").inc()
    return Answer(session)


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
    registrations = [(call.parts.throttles.login_address, call.remote_address)]
    _refuse_when_spent(registrations)
    _count(registrations)
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
    failures = [(call.parts.throttles.login_address, call.remote_address)]
    _refuse_when_spent(failures)
    try:
        shown = read_refresh_secret(call.body.refresh_token)
        successor = new_refresh_secret(shown.tenant_id)
        mark = call.parts.authenticator.mark()
        account, family = await call.parts.sessions.rotate(shown, successor, _origin(call))
    except RefreshTokenReused:
        _count(failures)
        metrics.REFRESHES.labels("reused").inc()
        log.warning("refresh_credential_reused", remote_address=call.remote_address)
        raise
    except TokenRefused:
        _count(failures)
        metrics.REFRESHES.labels("refused").inc()
        raise
    call.parts.authenticator.confirm(account, family, mark)
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
    stored = await call.parts.users.get(call.tenant_id, call.principal.user_id)
    failures = _failures(call, call.tenant_id, stored.account.username)
    _refuse_when_spent(failures)
    fits = await call.parts.passwords.verify(
        stored.password_hash, call.body.current_password, admit=lambda: _refuse_when_spent(failures)
    )
    if not fits:
        _count(failures)
        public = "the current password is wrong"
        raise Unprocessable(public, details=[Problem("current_password", public)])
    check_strength(stored.account.username, call.body.new_password, field="new_password")
    password_hash = await call.parts.passwords.hash(call.body.new_password)
    account = await call.parts.users.change(
        call.tenant_id,
        stored.account.user_id,
        AccountChange(password_hash=password_hash, session_version=stored.account.session_version),
    )
    call.parts.authenticator.forget(account.user_id)
    return Answer(await _open_session(call, account))


async def _open_session(call: Call[Any, Any], account: Account) -> views.Session:
    """Begin a session, unless the password it was earned with was changed meanwhile."""
    family = str(uuid.uuid4())
    secret = new_refresh_secret(account.tenant_id)
    mark = call.parts.authenticator.mark()
    if not await call.parts.sessions.open(account, family, secret, _origin(call)):
        raise BadCredentials(_REFUSED)
    call.parts.authenticator.confirm(account, family, mark)
    return _session(call, account, family, secret.text)


def _session(call: Call[Any, Any], account: Account, family: str, refresh_token: str) -> views.Session:
    tokens = call.parts.tokens
    token = tokens.sign(account.principal(family), account.session_version, call.parts.clock.now())
    return session_view(account, token, refresh_token, tokens.lifetime_seconds)


def _origin(call: Call[Any, Any]) -> Origin:
    return Origin(call.remote_address, call.headers.get("User-Agent", ""))


def _failures(call: Call[Any, Any], tenant_id: str, username: str) -> list[Count]:
    """Tell where a wrong password for this account counts."""
    account = f"{tenant_id}/{username.lower()}"
    limits = call.parts.throttles
    return [(limits.login_pair, f"{account} {call.remote_address}"), (limits.login_account, account)]


def _refuse_when_spent(counts: Iterable[Count]) -> None:
    """Refuse to try a password where too many were wrong; trying itself counts nothing."""
    wait = max(throttle.peek(key).retry_after_seconds for throttle, key in counts)
    if wait > 0:
        metrics.LOGINS.labels("throttled").inc()
        metrics.RATE_LIMITED.labels(RateClass.LOGIN.value).inc()
        raise RateLimited("too many attempts; wait a moment", retry_after_seconds=wait)


def _count(counts: Iterable[Count]) -> None:
    for throttle, key in counts:
        throttle.take(key)
