"""Tickets for package-service."""

from __future__ import annotations

from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api_gateway.errors import TokenRefused
from api_gateway.permissions import Principal, Role
from api_gateway.ticketing import TicketOffice
from api_gateway.tokens import AccessTokens, load_keys
from contracts.tickets import ALGORITHM, AUDIENCE, ISSUER, LIFETIME_SECONDS
from fleet.api.v1 import package_service_pb2 as messages

WHO = Principal("default", "u1", "ann", Role.OPERATOR, "s1")


async def test_ticket_is_checked_with_the_keys_that_are_told() -> None:
    """Whoever asks for the keys on the bus can check a ticket; it lives a minute."""
    office = TicketOffice(load_keys(None))
    ticket = office.sign(WHO, datetime.now(UTC))

    (key,) = (await office.get_ticket_keys(messages.GetTicketKeysRequest())).keys

    public = Ed25519PublicKey.from_public_bytes(key.public_key)
    claims = jwt.decode(ticket, public, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER)
    assert jwt.get_unverified_header(ticket)["kid"] == key.kid
    assert (claims["tenant_id"], claims["username"]) == ("default", "ann")
    assert claims["exp"] - claims["iat"] == LIFETIME_SECONDS


def test_ticket_is_no_access_token() -> None:
    """It opens nothing here, though the key is the same."""
    keys = load_keys(None)

    with pytest.raises(TokenRefused):
        AccessTokens(keys, lifetime_seconds=60).verify(TicketOffice(keys).sign(WHO, datetime.now(UTC)))
