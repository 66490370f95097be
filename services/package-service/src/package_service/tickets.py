"""
Tickets: what api-gateway shows when it carries a person's bytes to or from here.

A ticket is a JWT of a minute, signed with the key api-gateway signs access tokens with, for us as its audience:
an access token of a person opens nothing here, nor a ticket anything there. The public keys are asked for on the
bus, where only services speak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.ids import is_tenant_id
from contracts.tickets import ALGORITHM, AUDIENCE, ISSUER, LEEWAY_SECONDS, MAX_LENGTH
from package_service.errors import DownloadRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

ASK_AGAIN_SECONDS = 2.0
"""A key nobody knows is asked for at most so often."""


@dataclass(frozen=True)
class Bearer:
    """For whom api-gateway asks."""

    tenant_id: str
    username: str


class Tickets:
    """
    Checks tickets.

    Args:
        ask: Gets the public keys by key id; raises ServiceError while api-gateway is away.

        monotonic: Seconds that never go back.
    """

    def __init__(self, ask: Callable[[], Awaitable[Mapping[str, bytes]]], monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._asked_at = float("-inf")

    async def bearer(self, token: str) -> Bearer:
        """
        Read a ticket.

        Raises:
            DownloadRefused: It is none of ours, or its time is over.

            Unavailable: Its key is not known yet, and api-gateway does not answer.
        """
        refused = DownloadRefused("the ticket is not valid or has expired")
        if len(token) > MAX_LENGTH:
            raise refused
        try:
            kid = str(jwt.get_unverified_header(token).get("kid"))
        except jwt.PyJWTError as error:
            raise refused from error
        key = await self._key(kid)
        if key is None:
            raise refused
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "tenant_id", "username"], "strict_aud": True},
            )
        except jwt.PyJWTError as error:
            raise refused from error
        tenant_id, username = claims["tenant_id"], claims["username"]
        if not (isinstance(tenant_id, str) and is_tenant_id(tenant_id) and isinstance(username, str)):
            raise refused
        return Bearer(tenant_id, username)

    async def _key(self, kid: str) -> Ed25519PublicKey | None:
        if kid not in self._keys and self._monotonic() - self._asked_at >= ASK_AGAIN_SECONDS:
            raw = await self._ask()
            self._asked_at = self._monotonic()
            self._keys = {name: Ed25519PublicKey.from_public_bytes(key) for name, key in raw.items()}
        return self._keys.get(kid)
