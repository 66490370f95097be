"""From an Authorization header to a Principal: the token proves it, the user table confirms it now and then."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from api_gateway.errors import TokenRefused
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    from api_gateway.account import Account
    from api_gateway.permissions import Principal
    from api_gateway.tokens import AccessTokens, Claims

log = structlog.get_logger()

MAX_CONFIRMED = 10_000


class Standing(Protocol):
    """Where sessions are looked up."""

    async def standing(self, tenant_id: str, user_id: str, family_id: str) -> Account | None:
        """Tell the account behind a session as it is now; None when either is ended."""
        ...


@dataclass(frozen=True)
class _Confirmed:
    account: Account | None
    at: float


class Authenticator:
    """
    Tells who asks.

    A session is confirmed against the database at most every *recheck_seconds*; a disabled user, a changed role
    or a logout takes effect within that time everywhere, and at once on the replica that made it. While the
    database is away, what was last confirmed is believed until the access token expires.
    """

    def __init__(
        self, tokens: AccessTokens, sessions: Standing, monotonic: Callable[[], float], *, recheck_seconds: float
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._monotonic = monotonic
        self._recheck_seconds = recheck_seconds
        self._confirmed: OrderedDict[tuple[str, str, str], _Confirmed] = OrderedDict()
        self._forgotten = 0

    async def principal(self, authorization: str | None) -> Principal:
        """
        Tell who sent this Authorization header; the role is the one the user has now, not the token's.

        Raises:
            TokenRefused: No bearer token, a bad one, or one whose session is over.
        """
        claims = self._tokens.verify(_bearer(authorization))
        account = await self._account(claims)
        if account is None or account.session_version != claims.session_version:
            raise TokenRefused("this session has ended; log in again")
        return account.principal(claims.principal.session_id)

    def mark(self) -> int:
        """Mark a moment before the database is asked, for confirm."""
        return self._forgotten

    def confirm(self, account: Account, session_id: str, mark: int) -> None:
        """
        Take over what the database said since *mark*, at a login or a refresh.

        If anybody was forgotten since, the answer may be older than that and is not kept.
        """
        self._remember((account.tenant_id, account.user_id, session_id), account, self._monotonic(), mark)

    def forget(self, user_id: str) -> None:
        """Ask the database again the next time this user comes."""
        self._forgotten += 1
        for key in [key for key in self._confirmed if key[1] == user_id]:
            del self._confirmed[key]

    async def _account(self, claims: Claims) -> Account | None:
        who = claims.principal
        key = (who.tenant_id, who.user_id, who.session_id)
        known = self._confirmed.get(key)
        now, mark = self._monotonic(), self.mark()
        if known is not None and now - known.at < self._recheck_seconds:
            return known.account
        try:
            account = await self._sessions.standing(*key)
        except Exception as error:
            if known is None or not is_transient(error):
                raise
            log.warning("session_not_rechecked", error=type(error).__name__)
            return known.account
        self._remember(key, account, now, mark)
        return account

    def _remember(self, key: tuple[str, str, str], account: Account | None, now: float, mark: int) -> None:
        if mark != self._forgotten:
            return
        self._confirmed[key] = _Confirmed(account, now)
        self._confirmed.move_to_end(key)
        while len(self._confirmed) > MAX_CONFIRMED:
            self._confirmed.popitem(last=False)


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise TokenRefused("an access token is needed: send the header Authorization: Bearer <token>")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused("the Authorization header must read Bearer <token>")
    return token.strip()
