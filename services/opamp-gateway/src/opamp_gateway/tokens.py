"""
Whose token is this: verdicts of agent-state, remembered.

A token known to be good stays good while agent-state cannot be asked; a token nobody knows waits outside.
Only the SHA-256 of a token is kept or sent.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from contracts.ids import DEFAULT_TENANT
from opamp_gateway import metrics
from servicekit.errors import ServiceError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from servicekit.clock import Clock

log = structlog.get_logger()

_SCHEMES = ("bearer", "secret-key")


@dataclass(frozen=True, slots=True)
class Credential:
    """Who a token lets in."""

    tenant_id: str
    credential_id: str
    expires_at: float = 0.0
    """Unix seconds; 0 = never."""


OPEN = Credential(DEFAULT_TENANT, "")
"""Everybody, where the gateway runs open."""


@dataclass(slots=True)
class _Verdict:
    credential: Credential | None
    at: float


class TokenDesk:
    """
    Remembers verdicts.

    Args:
        verify: Asks agent-state with the token's hash. Raises Unauthenticated, or another ServiceError when
            it cannot be asked.

        good_seconds: How long a good verdict is used without asking again.

        bad_seconds: The same for a bad one.

        remembered: How many verdicts are kept.
    """

    def __init__(
        self,
        verify: Callable[[bytes], Awaitable[Credential]],
        clock: Clock,
        *,
        good_seconds: float,
        bad_seconds: float,
        remembered: int = 10_000,
    ) -> None:
        self._verify = verify
        self._clock = clock
        self._good_seconds = good_seconds
        self._bad_seconds = bad_seconds
        self._remembered = remembered
        self._verdicts: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[None]] = {}

    def known(self, token_hash: bytes) -> Credential | None:
        """Return a good verdict that is fresh; None = ask."""
        verdict = self._verdicts.get(token_hash)
        if verdict is None or verdict.credential is None:
            return None
        if self._clock.monotonic() - verdict.at > self._good_seconds or self._expired(verdict.credential):
            return None
        return verdict.credential

    async def ask(self, token_hash: bytes) -> Credential:
        """
        Return whom the token lets in.

        Raises:
            Unauthenticated: Nobody, or not any more.

            Unavailable: agent-state cannot be asked and the token was never seen.
        """
        fresh = self._fresh(token_hash)
        if fresh is None:
            under_way = self._under_way.get(token_hash)
            if under_way is not None:
                await asyncio.shield(under_way)
            else:
                await self._check(token_hash)
            fresh = self._verdicts.get(token_hash)
        if fresh is None:
            raise Unavailable("tokens cannot be checked just now", retry_after_seconds=5)
        if fresh.credential is None or self._expired(fresh.credential):
            raise Unauthenticated("this token lets nobody in")
        return fresh.credential

    def _fresh(self, token_hash: bytes) -> _Verdict | None:
        verdict = self._verdicts.get(token_hash)
        if verdict is None:
            return None
        lasts = self._bad_seconds if verdict.credential is None else self._good_seconds
        return verdict if self._clock.monotonic() - verdict.at <= lasts else None

    async def _check(self, token_hash: bytes) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way[token_hash] = future
        try:
            credential = await self._verify(token_hash)
        except Unauthenticated:
            metrics.TOKENS.labels("refused").inc()
            self._remember(token_hash, None)
        except ServiceError as error:
            verdict = self._verdicts.get(token_hash)
            if verdict is None or verdict.credential is None:
                metrics.TOKENS.labels("unavailable").inc()
                raise
            metrics.TOKENS.labels("stale").inc()
            log.warning("token_verdict_is_stale", error=error.public)
        else:
            metrics.TOKENS.labels("accepted").inc()
            self._remember(token_hash, credential)
        finally:
            del self._under_way[token_hash]
            future.set_result(None)

    def _remember(self, token_hash: bytes, credential: Credential | None) -> None:
        self._verdicts[token_hash] = _Verdict(credential, self._clock.monotonic())
        self._verdicts.move_to_end(token_hash)
        while len(self._verdicts) > self._remembered:
            self._verdicts.popitem(last=False)

    def _expired(self, credential: Credential) -> bool:
        return bool(credential.expires_at) and self._clock.now().timestamp() >= credential.expires_at


def token_hash_of(headers: Mapping[str, str]) -> bytes | None:
    """
    Find the token in a request's headers and hash it; None = there is none.

    Taken are `Authorization: Bearer …`, `Authorization: Secret-Key …`, `Authorization: Basic …` with the token
    as password, and the header `Secret-Key: …`.

    Args:
        headers: Names in lower case.
    """
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    token = ""
    if scheme.lower() in _SCHEMES:
        token = rest.strip()
    elif scheme.lower() == "basic":
        token = _password(rest.strip())
    token = token or headers.get("secret-key", "").strip()
    return hashlib.sha256(token.encode()).digest() if token else None


def _password(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
