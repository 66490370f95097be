"""A change of somebody's right to connect is obeyed at once."""

from __future__ import annotations

from gatewaylab.fakes import Lab
from gatewaylab.speech import OTHER, UID, full, said
from gatewaylab.transport import FakeTransport

from fleet.events.v1 import facts_pb2, identity_pb2
from opamp_gateway import facts
from opamp_gateway.credentials import Credential, Proof
from opamp_gateway.identity_desk import IdentityDesk
from opamp_gateway.poll import Poll
from opamp_gateway.revocation import Revocations
from opamp_gateway.session import HTTP, Session
from opamp_gateway.shelf import Verdict
from opamp_gateway.websocket import WebSocket
from servicekit.errors import Unavailable

MINE = Credential("default", "c-1", bound_uid=UID)


def change(**fields: object) -> bytes:
    """Say that something has changed."""
    return identity_pb2.IdentityChanged(tenant_id="default", **fields).SerializeToString()  # type: ignore[arg-type]


def opened(lab: Lab, uid: bytes = UID, credential: Credential = MINE) -> tuple[WebSocket, FakeTransport]:
    """Open a socket whose agent has introduced itself."""
    socket, transport = lab.open(credential)
    socket.data_received(said(full(uid)))
    lab.number()
    transport.take()
    return socket, transport


async def test_revoked_credential_closes_its_connections() -> None:
    """With a Close frame and the reason, also where nobody has spoken yet; others stay."""
    lab = Lab()
    socket, transport = opened(lab)
    silent, _ = lab.open(MINE)
    other, _ = opened(lab, OTHER, Credential("default", "c-2"))

    await Revocations(lab.gateway).hear(change(credential_ids=["c-1"], close=True))

    assert (socket.gone, silent.gone, other.gone) == (True, True, False)
    assert int.from_bytes(transport.frames()[-1][1][:2]) == 1008
    ended = [fact.body for fact in lab.facts() if fact.kind == facts.DISCONNECTED]
    assert facts_pb2.Disconnected.FromString(ended[0]).reason == "unauthorised"


async def test_named_agents_are_ended_with_the_reason_given() -> None:
    """Polling agents, too; an approval tells the agent to come again."""
    lab = Lab()
    socket, transport = opened(lab)
    poll = Poll(lab.gateway)
    poll.session = Session(lab.gateway.rules, "default", OTHER, HTTP)
    lab.gateway.connections.put(poll)

    await Revocations(lab.gateway).hear(change(instance_uids=[UID, OTHER, b"?" * 16], close=True, reason="approved"))

    assert (socket.gone, lab.gateway.connections.get("default", OTHER)) == (True, None)
    assert int.from_bytes(transport.frames()[-1][1][:2]) == 1012


async def test_other_tenants_are_left_alone() -> None:
    """Ids are a tenant's own."""
    lab = Lab()
    socket, _ = opened(lab)
    event = identity_pb2.IdentityChanged(tenant_id="acme", credential_ids=["c-1"], instance_uids=[UID], close=True)

    await Revocations(lab.gateway).hear(event.SerializeToString())

    assert not socket.gone


async def test_change_without_close_only_drops_verdicts() -> None:
    """Who is in stays in; who knocks is asked about."""
    lab = Lab()
    asked: list[Proof] = []

    async def authenticate(proofs: list[Proof]) -> list[Verdict]:
        asked.extend(proofs)
        return [Verdict(MINE, cache_seconds=60)] * len(proofs)

    lab.gateway.tokens = IdentityDesk(authenticate, lab.clock, good_seconds=60, bad_seconds=5)  # type: ignore[arg-type]
    proof = Proof(token_hash=b"t" * 32)
    await lab.gateway.tokens.ask(proof)
    socket, _ = opened(lab)

    await Revocations(lab.gateway).hear(change(credential_ids=["c-1"]))

    assert not socket.gone
    assert lab.gateway.tokens.known(proof) is None


async def test_bus_that_was_away_makes_everything_doubtful() -> None:
    """What it said meanwhile was missed: whoever knocks is asked about, and who cannot be asked about gets in."""
    lab = Lab()
    away = False

    async def authenticate(proofs: list[Proof]) -> list[Verdict]:
        if away:
            raise Unavailable("away")
        return [Verdict(MINE, cache_seconds=60)] * len(proofs)

    lab.gateway.tokens = IdentityDesk(authenticate, lab.clock, good_seconds=60, bad_seconds=5)  # type: ignore[arg-type]
    proof = Proof(token_hash=b"t" * 32)
    await lab.gateway.tokens.ask(proof)

    await Revocations(lab.gateway).start_over()

    assert lab.gateway.tokens.known(proof) is None
    away = True
    assert await lab.gateway.tokens.ask(proof) == MINE


async def test_nonsense_is_dropped() -> None:
    """What cannot be read changes nothing."""
    lab = Lab()
    socket, _ = opened(lab)

    await Revocations(lab.gateway).hear(b"\xff")

    assert not socket.gone
