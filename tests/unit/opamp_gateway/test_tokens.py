"""Tokens: asked once, remembered for a while, good ones trusted while nobody can be asked."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest

from opamp_gateway.tokens import Credential, TokenDesk, token_hash_of
from servicekit.clock import FakeClock
from servicekit.errors import Unauthenticated, Unavailable

GOOD, BAD = b"g" * 32, b"b" * 32


class Lab:
    """A desk and the service behind it."""

    def __init__(self, remembered: int = 10) -> None:
        self.clock = FakeClock()
        self.asked = 0
        self.away = False
        self.revoked = False
        self.expires_at = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self.desk = TokenDesk(self.verify, self.clock, good_seconds=30, bad_seconds=5, remembered=remembered)

    async def verify(self, token_hash: bytes) -> Credential:
        """Answer as agent-state would."""
        self.asked += 1
        await self.open.wait()
        if self.away:
            raise Unavailable("away")
        if token_hash == BAD or self.revoked:
            raise Unauthenticated("nobody's")
        return Credential("acme", "t-1", self.expires_at)


async def test_good_token_is_asked_about_once() -> None:
    """Everybody who knocks with it meanwhile waits for the same answer."""
    lab = Lab()
    lab.open.clear()
    asking = [asyncio.ensure_future(lab.desk.ask(GOOD)) for _ in range(3)]
    await asyncio.sleep(0)
    lab.open.set()

    assert {credential.tenant_id for credential in await asyncio.gather(*asking)} == {"acme"}
    assert lab.desk.known(GOOD) == Credential("acme", "t-1")
    assert lab.asked == 1


async def test_bad_token_is_remembered_for_a_moment() -> None:
    """A fleet with a wrong token does not become a flood of questions."""
    lab = Lab()
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await lab.desk.ask(BAD)
    assert lab.asked == 1
    assert lab.desk.known(BAD) is None

    await lab.clock.advance(6)
    with pytest.raises(Unauthenticated):
        await lab.desk.ask(BAD)
    assert lab.asked == 2


async def test_revoked_token_stops_working() -> None:
    """After as long as a good verdict lasts."""
    lab = Lab()
    await lab.desk.ask(GOOD)
    lab.revoked = True
    await lab.clock.advance(31)

    assert lab.desk.known(GOOD) is None
    with pytest.raises(Unauthenticated):
        await lab.desk.ask(GOOD)


async def test_good_token_stays_good_while_nobody_can_be_asked() -> None:
    """agent-state away never keeps a known agent out."""
    lab = Lab()
    await lab.desk.ask(GOOD)
    lab.away = True
    await lab.clock.advance(1000)

    assert (await lab.desk.ask(GOOD)).credential_id == "t-1"


async def test_unknown_token_waits_outside_while_nobody_can_be_asked() -> None:
    """Not known and not to be asked: come back later, for all who wait."""
    lab = Lab()
    lab.away = True
    lab.open.clear()
    asking = [asyncio.ensure_future(lab.desk.ask(GOOD)) for _ in range(2)]
    await asyncio.sleep(0)
    lab.open.set()

    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in found] == [Unavailable, Unavailable]


async def test_expired_token_is_refused_even_if_remembered() -> None:
    """The date is checked here."""
    lab = Lab()
    lab.expires_at = lab.clock.now().timestamp() + 10
    await lab.desk.ask(GOOD)
    assert lab.desk.known(GOOD) is not None
    await lab.clock.advance(11)

    assert lab.desk.known(GOOD) is None
    with pytest.raises(Unauthenticated):
        await lab.desk.ask(GOOD)


async def test_memory_of_verdicts_is_bounded() -> None:
    """Guessing tokens does not fill the memory."""
    lab = Lab(remembered=1)
    await lab.desk.ask(GOOD)
    with pytest.raises(Unauthenticated):
        await lab.desk.ask(BAD)

    assert lab.desk.known(GOOD) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer oet_1_x"},
        {"authorization": "bearer   oet_1_x "},
        {"authorization": "Secret-Key oet_1_x"},
        {"authorization": "Basic " + base64.b64encode(b"agent:oet_1_x").decode()},
        {"secret-key": "oet_1_x"},
    ],
)
def test_token_is_found_in_every_place_agents_put_it(headers: dict[str, str]) -> None:
    """And only its hash goes on."""
    assert token_hash_of(headers) == hashlib.sha256(b"oet_1_x").digest()


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Digest x"}, {"authorization": "Basic ?"}, {"secret-key": " "}]
)
def test_no_token_is_no_token(headers: dict[str, str]) -> None:
    """Schemes nobody speaks and empty values count as none."""
    assert token_hash_of(headers) is None
