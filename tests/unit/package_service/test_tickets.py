"""Tickets: whose are believed, and how often api-gateway is asked for its keys."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import tickets as terms
from package_service.errors import DownloadRefused
from package_service.tickets import ASK_AGAIN_SECONDS, Bearer, Tickets
from servicekit.clock import FakeClock
from servicekit.errors import Unavailable


class Gateway:
    """api-gateway with its keys."""

    def __init__(self) -> None:
        self.keys = {"one": Ed25519PrivateKey.generate()}
        self.asked = 0
        self.away = False

    async def ask(self) -> dict[str, bytes]:
        """Tell the public keys."""
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {kid: key.public_key().public_bytes(*raw) for kid, key in self.keys.items()}

    def ticket(self, kid: str = "one", **more: Any) -> str:
        """Sign a ticket."""
        now = int(time.time())
        claims = {"iss": terms.ISSUER, "aud": terms.AUDIENCE, "iat": now, "exp": now + 60}
        claims |= {"tenant_id": "default", "username": "ann", **more}
        return jwt.encode(claims, self.keys[kid], algorithm=terms.ALGORITHM, headers={"kid": kid})


async def test_keys_are_asked_for_once() -> None:
    """And again when a ticket names a key nobody knows, but not at every nonsense."""
    gateway, clock = Gateway(), FakeClock()
    tickets = Tickets(gateway.ask, clock.monotonic)

    assert await tickets.bearer(gateway.ticket()) == Bearer("default", "ann")
    await tickets.bearer(gateway.ticket())
    assert gateway.asked == 1

    gateway.keys["two"] = Ed25519PrivateKey.generate()
    with pytest.raises(DownloadRefused):
        await tickets.bearer(gateway.ticket("two"))
    assert gateway.asked == 1
    await clock.advance(ASK_AGAIN_SECONDS)
    await tickets.bearer(gateway.ticket("two"))
    assert gateway.asked == 2


async def test_without_keys_nobody_is_refused_for_good() -> None:
    """While api-gateway is away it is Unavailable, and asked again at the next ticket."""
    gateway = Gateway()
    gateway.away = True
    tickets = Tickets(gateway.ask, FakeClock().monotonic)

    with pytest.raises(Unavailable):
        await tickets.bearer(gateway.ticket())
    gateway.away = False

    assert (await tickets.bearer(gateway.ticket())).username == "ann"


@pytest.mark.parametrize("claim", [{"iss": "x"}, {"aud": "x"}, {"tenant_id": "NO"}, {"tenant_id": 1}, {"username": 1}])
async def test_tickets_that_say_something_else(claim: dict[str, Any]) -> None:
    """Signed well, and not for this."""
    gateway = Gateway()

    with pytest.raises(DownloadRefused):
        await Tickets(gateway.ask, FakeClock().monotonic).bearer(gateway.ticket(**claim))


async def test_a_symmetric_key_is_no_key() -> None:
    """Our public key as an HMAC secret opens nothing."""
    gateway = Gateway()
    public = (await gateway.ask())["one"]
    claims = {"iss": terms.ISSUER, "aud": terms.AUDIENCE, "iat": 0, "exp": 2**31, "tenant_id": "t", "username": "a"}
    forged = jwt.encode(claims, public, algorithm="HS256", headers={"kid": "one"})

    with pytest.raises(DownloadRefused):
        await Tickets(gateway.ask, FakeClock().monotonic).bearer(forged)
