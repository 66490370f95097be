"""Tickets for package-service: who is behind a transfer, signed with the key of access tokens, for a minute."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import jwt
from cryptography.hazmat.primitives import serialization

from contracts.tickets import ALGORITHM, AUDIENCE, ISSUER, LIFETIME_SECONDS
from fleet.api.v1 import package_service_pb2 as messages

if TYPE_CHECKING:
    from datetime import datetime

    from api_gateway.permissions import Principal
    from api_gateway.tokens import SigningKeys


class TicketOffice:
    """
    Signs tickets, and tells which keys they are signed with.

    Args:
        keys: Of this replica; all replicas that share a key file have the same.
    """

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def sign(self, principal: Principal, now: datetime) -> str:
        """Write a ticket. Its audience is package-service: it opens nothing here."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + timedelta(seconds=LIFETIME_SECONDS),
            "tenant_id": principal.tenant_id,
            "username": principal.username,
        }
        return jwt.encode(claims, self._keys.private, algorithm=ALGORITHM, headers={"kid": self._keys.kid})

    async def get_ticket_keys(self, _: messages.GetTicketKeysRequest) -> messages.GetTicketKeysReply:
        """Tell the public keys."""
        return messages.GetTicketKeysReply(
            keys=[
                messages.TicketKey(
                    kid=kid,
                    public_key=key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw),
                )
                for kid, key in self._keys.public.items()
            ]
        )
