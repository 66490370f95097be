"""The door: upgrades stay, everything else is handed on, strangers and dawdlers are sent off."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.speech import OTHER, UID, full, said
from gatewaylab.transport import FakeTransport

from contracts.ids import format_uid
from fleet.api.v1.identity_pb2 import AdmitAgentReply, AdmitAgentRequest
from opamp_gateway.credentials import Credential, Proof
from opamp_gateway.door import Door
from opamp_gateway.errands import Errands
from opamp_gateway.identity_desk import IdentityDesk
from opamp_gateway.limits import Limits
from opamp_gateway.shelf import Verdict
from opamp_gateway.websocket import WebSocket
from servicekit.clock import FakeClock
from servicekit.errors import Unauthenticated, Unavailable

UPGRADE = (
    b"GET /v1/opamp HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
POST = b"POST /v1/opamp HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


class PlainHttp(asyncio.Protocol):
    """Stands for aiohttp's protocol."""

    def __init__(self) -> None:
        self.transport: asyncio.BaseTransport | None = None
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Remember."""
        self.data += data


def knock(lab: Lab, peer: tuple[str, int] = ("192.0.2.7", 4711)) -> tuple[Door, FakeTransport]:
    """Let somebody come to the door."""
    door = Door(lab.gateway, PlainHttp)
    transport = FakeTransport(peer)
    door.connection_made(transport)
    return door, transport


def with_headers(**headers: str) -> bytes:
    """Write an upgrade with more headers; underscores become hyphens."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return UPGRADE[:-2] + lines.encode() + b"\r\n"


async def test_upgrade_becomes_a_websocket() -> None:
    """101, and the socket listens from the next byte on."""
    lab = Lab()
    door, transport = knock(lab)

    door.data_received(UPGRADE + said(full()))

    head, _, rest = transport.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert isinstance(transport.protocol, WebSocket)
    assert rest[0] == 0x82
    assert (len(lab.gateway.doors), len(lab.gateway.sockets)) == (0, 1)


async def test_head_may_come_in_pieces() -> None:
    """A byte at a time, as long as it is in time."""
    lab = Lab()
    door, transport = knock(lab)

    for byte in UPGRADE:
        door.data_received(bytes((byte,)))

    assert isinstance(transport.protocol, WebSocket)


async def test_plain_http_is_handed_on_with_its_bytes() -> None:
    """Aiohttp reads it from the first byte."""
    lab = Lab()
    door, transport = knock(lab)

    door.data_received(POST)

    assert isinstance(transport.protocol, PlainHttp)
    assert transport.protocol.data == POST
    assert transport.protocol.transport is transport
    assert len(lab.gateway.doors) == 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (UPGRADE.replace(b"/v1/opamp", b"/other"), 404),
        (UPGRADE.replace(b"Version: 13", b"Version: 7"), 426),
        (UPGRADE.replace(b"Connection: Upgrade", b"Connection: close"), 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    ],
)
async def test_bad_knock_is_refused_and_closed(data: bytes, status: int) -> None:
    """With the status that says why."""
    door, transport = knock(Lab())

    door.data_received(data)
    door.data_received(b"more")

    assert transport.written.startswith(b"HTTP/1.1 %d " % status)
    assert transport.closed


async def test_peer_that_says_no_more_is_closed() -> None:
    """The transport asks, TLS or not, also while a token is checked."""
    door, _ = knock(Lab())

    assert door.eof_received() is False


async def test_crowd_is_told_when_to_come_back() -> None:
    """503 with Retry-After."""
    lab = Lab(max_connections=0)
    door, transport = knock(lab)

    door.data_received(UPGRADE)

    assert transport.written.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: " in transport.written


async def test_dawdler_is_sent_off() -> None:
    """By the sweeper, at its deadline."""
    lab = Lab(Limits(handshake_seconds=10))
    door, transport = knock(lab)
    assert lab.gateway.doors[door] == lab.clock.monotonic() + 10

    door.expire()
    door.connection_lost(None)
    door.expire()

    assert transport.aborted
    assert len(lab.gateway.doors) == 0


@pytest.mark.parametrize(
    ("stated", "who"),
    [
        ("00010203-0405-0607-0809-0A0B0C0D0E0F", format_uid(UID)),
        (UID.hex(), format_uid(UID)),
        ("x" * 8000, "192.0.2.7"),
        ("zz" * 16, "192.0.2.7"),
    ],
)
async def test_peer_is_remembered_by_its_uid_or_its_address(stated: str, who: str) -> None:
    """What a header says is kept only if it is a uid, in one spelling."""
    lab = Lab()
    door, transport = knock(lab)

    door.data_received(with_headers(OpAMP_Instance_UID=stated))

    assert isinstance(transport.protocol, WebSocket)
    assert list(lab.gateway.admission._known) == [who]


async def test_forwarded_address_is_the_peer_behind_a_trusted_proxy() -> None:
    """What Connected tells is the agent, not the proxy."""
    lab = Lab(Limits(trusted_proxies=(ip_network("10.0.0.0/8"),)))
    door, transport = knock(lab, ("10.0.0.1", 5))

    door.data_received(with_headers(X_Forwarded_For="198.51.100.7"))

    assert isinstance(transport.protocol, WebSocket)
    assert transport.protocol.remote_address == "198.51.100.7"


class Tokens:
    """A token desk whose service answers when told to."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.error: Exception | None = None
        self.proofs: list[Proof] = []
        self.verdict = Verdict(Credential("acme", "t-1"), cache_seconds=60)
        self.desk = IdentityDesk(self.authenticate, FakeClock(), good_seconds=30, bad_seconds=5)

    async def authenticate(self, proofs: Sequence[Proof]) -> list[Verdict]:
        """Answer once open."""
        await self.open.wait()
        self.proofs += proofs
        if isinstance(self.error, Unauthenticated):
            return [Verdict(refusal=self.error.public)] * len(proofs)
        if self.error is not None:
            raise self.error
        assert {proof.token_hash for proof in proofs} == {hashlib.sha256(b"oet_1_x").digest()}
        return [self.verdict] * len(proofs)


async def test_token_is_checked_before_the_upgrade() -> None:
    """The peer waits; then it belongs to the token's tenant; the next one is known at once."""
    tokens = Tokens()
    lab = Lab(tokens=tokens.desk)
    door, transport = knock(lab)
    door.data_received(with_headers(Authorization="Bearer oet_1_x"))
    door.data_received(said(full()))
    assert transport.written == b""
    tokens.open.set()
    await lab.idle()

    assert isinstance(transport.protocol, WebSocket)
    assert transport.protocol.credential.tenant_id == "acme"
    assert transport.protocol.session is not None
    second, other = knock(lab)
    second.data_received(with_headers(Secret_Key="oet_1_x"))
    assert isinstance(other.protocol, WebSocket)


@pytest.mark.parametrize(("error", "status"), [(Unauthenticated("nobody's"), 401), (Unavailable("away"), 503)])
async def test_bad_token_is_refused(error: Exception, status: int) -> None:
    """401 for a bad one, 503 when nobody can say."""
    tokens = Tokens()
    tokens.error = error
    tokens.open.set()
    lab = Lab(tokens=tokens.desk)
    door, transport = knock(lab)

    door.data_received(with_headers(Authorization="Bearer oet_1_x"))
    await lab.idle()

    assert transport.written.startswith(b"HTTP/1.1 %d " % status)
    assert transport.closed


async def test_no_token_is_refused_at_once() -> None:
    """Without asking anybody."""
    door, transport = knock(Lab(tokens=Tokens().desk))

    door.data_received(UPGRADE)

    assert transport.written.startswith(b"HTTP/1.1 401 ")
    assert b"WWW-Authenticate: Bearer" in transport.written


async def test_agent_with_a_credential_of_another_is_refused_at_the_door_once_that_is_known() -> None:
    """401 slows it down, a closed socket does not; the credential's own agent comes in."""
    tokens = Tokens()
    tokens.verdict = Verdict(Credential("acme", "k-1", bound_uid=UID), cache_seconds=60)
    tokens.open.set()
    lab = Lab(tokens=tokens.desk)
    statuses = []
    for uid in (OTHER, OTHER, UID):
        door, transport = knock(lab)
        door.data_received(with_headers(Authorization="Bearer oet_1_x", OpAMP_Instance_UID=format_uid(uid)))
        await lab.idle()
        statuses.append(transport.take()[9:12])
        lab.gateway.admit = refuse
        lab.gateway.refusals.note("k-1", OTHER, "another agent's", lab.gateway.now())

    assert statuses == [b"401", b"401", b"101"]
    await lab.clock.advance(11)
    door, transport = knock(lab)
    door.data_received(with_headers(Authorization="Bearer oet_1_x", OpAMP_Instance_UID=format_uid(OTHER)))
    await lab.idle()
    assert isinstance(transport.protocol, WebSocket)


async def refuse(_: AdmitAgentRequest) -> AdmitAgentReply:
    """Let nobody in."""
    raise Unauthenticated("another agent's")


async def test_peer_is_not_read_while_its_token_is_checked() -> None:
    """What it sends meanwhile stays in its socket; once it is in it is read again."""
    tokens = Tokens()
    lab = Lab(tokens=tokens.desk)
    door, transport = knock(lab)

    door.data_received(with_headers(Authorization="Bearer oet_1_x"))
    assert not transport.is_reading()
    tokens.open.set()
    await lab.idle()

    assert isinstance(transport.protocol, WebSocket)
    assert transport.is_reading()


async def test_peer_that_sends_too_much_before_the_answer_is_refused() -> None:
    """However it gets past the closed tap: nothing piles up, and no answer is written to a closed connection."""
    tokens = Tokens()
    lab = Lab(tokens=tokens.desk)
    door, transport = knock(lab)
    door.data_received(with_headers(Authorization="Bearer oet_1_x"))

    for _ in range(3):
        door.data_received(b"x" * 60_000)
    tokens.open.set()
    await lab.idle()

    assert transport.closed
    assert transport.written.startswith(b"HTTP/1.1 431 ")
    assert transport.written.count(b"HTTP/1.1") == 1
    assert lab.gateway.sockets == set()


async def test_too_many_checks_are_put_off() -> None:
    """A flood of unknown tokens does not pile up."""
    lab = Lab(tokens=Tokens().desk)
    lab.gateway.errands = Errands(limit=0)
    door, transport = knock(lab)

    door.data_received(with_headers(Authorization="Bearer oet_1_x"))

    assert transport.written.startswith(b"HTTP/1.1 503 ")


async def test_peer_that_left_while_its_token_was_checked_is_forgotten() -> None:
    """Nothing is written to a closed connection."""
    tokens = Tokens()
    lab = Lab(tokens=tokens.desk)
    door, transport = knock(lab)
    door.data_received(with_headers(Authorization="Bearer oet_1_x"))
    door.connection_lost(None)
    tokens.open.set()
    await lab.idle()

    assert transport.written == b""
    assert lab.gateway.sockets == set()
